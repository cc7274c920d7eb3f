#if IPSet

    import DataplaneTestKit
    import IPSet
    import NetAddress
    import Testing

    /// Sets in the kernel: ours against those of the stock tool.
    @Suite(.enabled(if: IPSetKernel.isPossible, "takes namespaces, ip_set and ipset")) struct IPSetKernelTests {
        /// `ipset save` prints what we print, and what we print makes the same sets.
        @Test(arguments: [false, true]) func equalsTheStockTool(_ withSkbInfo: Bool) throws {
            let content = IPSetKernel.content(withSkbInfo: withSkbInfo)
            let ours = try NetworkNamespace("ours")
            try ours.run {
                var session = try IPSetSession()
                for (spec, elements) in content {
                    try session.create(spec)
                    try session.add(elements, to: spec.name)
                }
            }
            let saved = try Self.lines(try ours.tool(["ipset", "save"]))
            var text: [UInt8] = []
            for (spec, elements) in content {
                spec.write(to: &text)
                for element in elements { element.write(adding: spec.name, to: &text) }
            }
            let theirs = try NetworkNamespace("theirs")
            try theirs.tool(["ipset", "restore"], input: String(decoding: text, as: UTF8.self))
            // Each has a random number of its own.
            let restored = try Self.lines(try theirs.tool(["ipset", "save"]))
            #expect(Self.withoutRandom(saved) == Self.withoutRandom(restored))
            for namespace in [ours, theirs] {
                let saved = try Self.lines(try namespace.tool(["ipset", "save"]))
                let contents = try namespace.run {
                    var session = try IPSetSession()
                    return try session.contents()
                }
                #expect(Set(contents.map(\.set.spec)) == Set(content.map(\.0)))
                for (spec, elements) in content {
                    let found = try #require(contents.first { $0.set.name == spec.name })
                    #expect(found.elements.sorted() == elements.sorted() && found.unreadable == 0, "\(spec.text)")
                    #expect(found.set.elementCount == elements.count && found.set.references == 0)
                }
                var printed: [UInt8] = []
                for content in contents {
                    printed += "\(content.set.text ?? "")\n".utf8
                    for element in content.elements { element.write(adding: content.set.name, to: &printed) }
                }
                #expect(try Self.lines(String(decoding: printed, as: UTF8.self)) == saved)
            }
        }

        private static func lines(_ text: String) throws -> Set<Substring> { Set(text.split(separator: "\n")) }

        private static func withoutRandom(_ lines: Set<Substring>) -> Set<Substring> {
            Set(lines.map { line in line.firstRange(of: " initval").map { line[..<$0.lowerBound] } ?? line })
        }

        /// Elements of others that there is no word for are counted, and so are their sets.
        @Test func foreignSetsAreRead() throws {
            let namespace = try NetworkNamespace("foreign")
            try namespace.tool(
                ["ipset", "restore"],
                input: """
                    create commented hash:ip comment
                    add commented 10.0.0.1 comment "x"
                    create ports bitmap:port range 1-1024
                    create icmp hash:ip,port
                    add icmp 10.0.0.1,icmp:ping
                    add icmp 10.0.0.1,tcp:80
                    create nets hash:net
                    add nets 10.0.0.0/8
                    add nets 10.1.0.0/16 nomatch
                    create sets list:set
                    add sets nets
                    create timed hash:ip timeout 100 counters
                    add timed 10.0.0.1

                    """)
            let contents = try namespace.run {
                var session = try IPSetSession()
                return try session.contents()
            }
            #expect(contents.map(\.set.name) == ["commented", "icmp", "nets", "ports", "sets", "timed"])
            #expect(contents.map { $0.set.spec != nil } == [true, true, true, false, false, true])
            #expect(contents.map(\.unreadable) == [0, 1, 1, 0, 1, 0])
            #expect(contents.map(\.elements.count) == [1, 1, 1, 0, 0, 1])
            #expect(contents.first?.elements.first?.comment == "x")
            #expect(contents.last?.set.spec == SetSpec("timed", .hashIP, withCounters: true, timeout: 100))
            #expect(contents.map(\.set.references) == [0, 0, 1, 0, 0, 0])
        }

        @Test func setsComeAndGo() throws {
            try NetworkNamespace("sets").run {
                var session = try IPSetSession()
                #expect(try session.sets().isEmpty)
                #expect(try session.contents().isEmpty)
                let spec = SetSpec("A", .hashIPPort, maxElements: 10)
                try session.create(spec)
                try session.create(spec, ifAbsent: true)
                #expect(Self.reason { try session.create(spec) } == .setPresent("A"))
                #expect(
                    Self.reason { try session.create(SetSpec("A", .hashIP), ifAbsent: true) } == .setPresent("A"))
                let element = SetElement(.addressPort(SetCases.address("10.0.0.1"), .tcp, 80))
                try session.add([element], to: "A")
                #expect(try session.contains(element, in: "A"))
                #expect(
                    try !session.contains(SetElement(.addressPort(SetCases.address("10.0.0.2"), .tcp, 80)), in: "A"))
                #expect(Self.reason { _ = try session.contains(element, in: "X") } == .setAbsent("X"))
                try session.create(SetSpec("B", .hashIPPort))
                try session.swap("A", "B")
                #expect(try session.content(of: "B")?.elements == [element])
                #expect(try session.content(of: "A")?.elements == [])
                try session.rename("B", to: "C")
                #expect(try session.sets().map(\.name) == ["A", "C"])
                #expect(try session.set(named: "C")?.spec == SetSpec("C", .hashIPPort, maxElements: 10))
                #expect(try session.set(named: "B") == nil)
                #expect(try session.content(of: "B") == nil)
                try session.flush("C")
                #expect(try session.set(named: "C")?.elementCount == 0)
                #expect(Self.reason { try session.rename("A", to: "C") } == .setPresent("C"))
                #expect(Self.reason { try session.rename("X", to: "Y") } == .setAbsent("X"))
                #expect(Self.reason { try session.swap("A", "X") } == .setAbsent("X"))
                #expect(Self.reason { try session.swap("X", "A") } == .setAbsent("X"))
                #expect(Self.reason { try session.flush("X") } == .setAbsent("X"))
                try session.create(SetSpec("D", .hashIP))
                #expect(Self.reason { try session.swap("A", "D") } == .setsDiffer("A", "D"))
                for name in ["A", "C", "D"] { try session.destroy(name) }
                #expect(Self.reason { try session.destroy("A") } == .setAbsent("A"))
                try session.destroy("A", ifPresent: true)
                #expect(try session.sets().isEmpty)
            }
        }

        static func reason(_ body: () throws -> Void) -> IPSetError.Reason? {
            do { try body() } catch { return (error as? IPSetError)?.reason }
            return nil
        }
    }

    /// What this kernel and machine have.
    enum IPSetKernel {
        static let isPossible = has(.hashIPPort)

        /// The types that this kernel has.
        static let types = SetType.allCases.filter(has)

        static let absentTypes = SetType.allCases.filter { isPossible && !types.contains($0) }

        private static func has(_ type: SetType) -> Bool {
            guard let namespace = try? NetworkNamespace("probe") else { return false }
            let range = type.isHash ? [] : ["range", "0-65535"]
            return (try? namespace.tool(["ipset", "create", "probe", type.rawValue] + range)) != nil
        }

        static func content(withSkbInfo: Bool) -> [(SetSpec, [SetElement])] {
            SetCases.content(withSkbInfo: withSkbInfo).filter { types.contains($0.0.type) }
        }
    }

#endif
