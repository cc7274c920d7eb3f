#if IPSet

    import DataplaneTestKit
    import IPSet
    import NetAddress
    import Testing

    /// Many operations at once, and what happens when one of them cannot be.
    @Suite(.enabled(if: IPSetKernel.isPossible, "takes namespaces, ip_set and ipset")) struct IPSetBatchTests {
        static func element(_ number: Int, mark: SetElement.Mark? = nil) -> SetElement {
            SetElement(.addressPort(IPAddress(ipv4: 0x0a00_0000 + UInt32(number)), .tcp, 80), mark: mark)
        }

        static func elements(_ numbers: Range<Int>) -> [SetElement] { numbers.map { element($0) } }

        @Test func thousandsComeAndGo() throws {
            try NetworkNamespace("sets").run {
                var session = try IPSetSession()
                try session.create(SetSpec("A", .hashIPPort))
                try session.add(Self.elements(0..<20_000), to: "A")
                #expect(try session.set(named: "A")?.elementCount == 20_000)
                try session.delete(Self.elements(100..<20_000), from: "A")
                #expect(try session.content(of: "A")?.elements.sorted() == Self.elements(0..<100))
                try session.add([], to: "A")
            }
        }

        /// Adds and deletes of several sets, in the order given.
        @Test func operationsAreDoneInOrder() throws {
            try NetworkNamespace("sets").run {
                var session = try IPSetSession()
                let (one, two) = (Self.element(1), Self.element(2))
                try session.apply([
                    .create(SetSpec("A", .hashIPPort)), .create(SetSpec("B", .hashIPPort)), .add(one, to: "A"),
                    .add(two, to: "A"), .delete(one, from: "A"), .add(one, to: "B"), .swap("A", "B"),
                    .add(two, to: "A"), .rename("B", to: "C"), .delete(two, from: "C"), .flush("C"),
                    .create(SetSpec("D", .bitmapPort)), .add(SetElement(.port(80)), to: "D"), .destroy("D"),
                ])
                #expect(try session.contents().map(\.set.name) == ["A", "C"])
                #expect(try session.content(of: "A")?.elements.sorted() == [one, two])
                #expect(try session.content(of: "C")?.elements == [])
            }
        }

        @Test func leniencyForgivesWhatIsDone() throws {
            try NetworkNamespace("sets").run {
                var session = try IPSetSession()
                let spec = SetSpec("A", .hashIPPort, withSkbInfo: true)
                let operations: [SetOperation] = [
                    .create(spec), .add(Self.element(1), to: "A"), .delete(Self.element(2), from: "A"),
                    .add(Self.element(3, mark: .init(7, mask: 15)), to: "A"),
                ]
                try session.apply(operations, lenient: true)
                try session.apply(operations, lenient: true)
                try session.add([Self.element(1, mark: .init(8))], to: "A", lenient: true)
                #expect(
                    try session.content(of: "A")?.elements.sorted() == [
                        Self.element(1, mark: .init(8)), Self.element(3, mark: .init(7, mask: 15)),
                    ])
                #expect(IPSetKernelTests.reason { try session.add([Self.element(1)], to: "A") } == .elementPresent)
                #expect(IPSetKernelTests.reason { try session.delete([Self.element(2)], from: "A") } == .elementAbsent)
            }
        }

        /// The error names the operation at fault, wherever in a message it is; what is before it is done, and what is
        /// behind it is not.
        @Test(arguments: [0, 1, 57, 500, 999]) func failuresSayWhere(_ place: Int) throws {
            try NetworkNamespace("sets").run {
                var session = try IPSetSession()
                var operations = Self.elements(0..<1000).map { SetOperation.add($0, to: "A") }
                try session.apply([.create(SetSpec("A", .hashIPPort)), .add(Self.element(place), to: "A")])
                var error = #expect(throws: IPSetError.self) { try session.apply(operations) }
                #expect(error?.reason == .elementPresent && error?.done == place)
                #expect(error?.operation == operations[place])
                #expect(try session.set(named: "A")?.elementCount == UInt32(place + 1))

                // The session is as good as before.
                try session.flush("A")
                operations[place] = .delete(Self.element(place), from: "A")
                error = #expect(throws: IPSetError.self) { try session.apply(operations) }
                #expect(error?.reason == .elementAbsent && error?.done == place)
                #expect(error?.operation == operations[place])
                #expect(try session.set(named: "A")?.elementCount == UInt32(place))

                try session.flush("A")
                operations[place] = .add(SetElement(.network(SetCases.block("0.0.0.0/0"))), to: "A")
                error = #expect(throws: IPSetError.self) { try session.apply(operations) }
                #expect(error?.reason == .invalid && error?.done == place && error?.operation == operations[place])
                #expect(try session.set(named: "A")?.elementCount == UInt32(place))

                try session.flush("A")
                operations[place] = .add(Self.element(place), to: "absent")
                error = #expect(throws: IPSetError.self) { try session.apply(operations) }
                #expect(error?.reason == .setAbsent("absent") && error?.done == place)
                #expect(error?.operation == operations[place])
                #expect(try session.set(named: "A")?.elementCount == UInt32(place))
            }
        }

        /// Elements that are not of the set's type.
        @Test func othersElementsAreRefused() throws {
            try NetworkNamespace("sets").run {
                var session = try IPSetSession()
                try session.create(SetSpec("A", .hashIPPort))
                for element in [
                    SetElement(.addressPort(SetCases.address("fd00::1"), .tcp, 80)), SetElement(.port(80)),
                    SetElement(.address(SetCases.address("10.0.0.1"))), Self.element(1, mark: .init(1)),
                ] {
                    let error = #expect(throws: IPSetError.self) { try session.add([element], to: "A") }
                    #expect(error?.operation == .add(element, to: "A"), "\(element)")
                    guard case .refused? = error?.reason else {
                        Issue.record("\(String(describing: error))")
                        continue
                    }
                }
                #expect(try session.set(named: "A")?.elementCount == 0)
            }
        }

        @Test func fullSetsAreEnlarged() throws {
            let namespace = try NetworkNamespace("sets")
            try namespace.run {
                var session = try IPSetSession()
                let spec = SetSpec("A", .hashIPPort, maxElements: 100, withSkbInfo: true)
                try session.create(spec)
                let elements = (0..<150).map { Self.element($0, mark: .init(UInt32($0 + 1))) }
                let error = #expect(throws: IPSetError.self) { try session.add(elements, to: "A") }
                #expect(error?.reason == .setFull("A", maxElements: 100))
                let done = try #require(error?.done)
                #expect(done > 50 && error?.operation == .add(elements[done], to: "A"))
                #expect(error.map { "\($0)" }?.contains("the set A is full with 100 elements") == true)
                try session.enlarge("A", to: 1000)
                #expect(try session.set(named: "A")?.spec?.maxElements == 1000)
                #expect(try session.set(named: "A")?.spec?.fits(spec) == true)
                try session.add(elements, to: "A", lenient: true)
                #expect(try session.content(of: "A")?.elements.sorted() == elements)
                #expect(try session.sets().map(\.name) == ["A"])
                // Too small: nothing has changed, and nothing is left over.
                #expect(throws: IPSetError.self) { try session.enlarge("A", to: 10) }
                #expect(try session.content(of: "A")?.elements.sorted() == elements)
                #expect(try session.sets().map(\.name) == ["A"])
                #expect(IPSetKernelTests.reason { try session.enlarge("X", to: 10) } == .setAbsent("X"))
                // What an attempt that was broken off has left is no obstacle.
                try session.create(SetSpec("A~", .hashIP))
                try session.enlarge("A", to: 2000)
                #expect(try session.sets().map(\.name) == ["A"])
            }
        }

        /// Rules go on to look into a set that has been enlarged, and keep it from going.
        @Test func setsThatRulesNeedStay() throws {
            let namespace = try NetworkNamespace("sets")
            try namespace.tool(["ipset", "create", "A", "hash:ip,port"])
            let rule = ["iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "A", "dst,dst"]
            guard try namespace.toolResult(rule).status == 0 else { return }
            try namespace.run {
                var session = try IPSetSession()
                #expect(try session.set(named: "A")?.references == 1)
                let error = #expect(throws: IPSetError.self) { try session.destroy("A") }
                #expect(error?.reason == .setInUse("A") && error?.operation == .destroy("A"))
                #expect(IPSetKernelTests.reason { try session.rename("A", to: "B") } == .setInUse("A"))
                try session.enlarge("A", to: 100_000)
                #expect(try session.set(named: "A")?.references == 1)
                #expect(try session.set(named: "A")?.spec?.maxElements == 100_000)
            }
            let rules = try namespace.tool(["iptables-nft-save"])
            #expect(rules.contains("-A INPUT -m set --match-set A dst,dst\n"))
        }

        @Test func longNamesAreEnlarged() throws {
            try NetworkNamespace("sets").run {
                var session = try IPSetSession()
                for name in [String(repeating: "x", count: 31), String(repeating: "é", count: 15) + "x"] {
                    try session.create(SetSpec(name, .hashIP, .ipv6, maxElements: 1))
                    try session.enlarge(name, to: 2)
                    #expect(try session.set(named: name)?.spec?.maxElements == 2)
                }
                #expect(try session.sets().count == 2)
            }
        }

        /// A type that the kernel does not have: its module is named, and nothing is there.
        @Test(.enabled(if: !IPSetKernel.absentTypes.isEmpty, "this kernel has all types")) func missingModulesAreNamed()
            throws
        {
            try NetworkNamespace("sets").run {
                var session = try IPSetSession()
                for type in IPSetKernel.absentTypes {
                    for _ in 0..<2 {
                        let error = #expect(throws: IPSetError.self) { try session.create(SetSpec("A", type)) }
                        #expect(error?.reason == .missingModule(type.module))
                        #expect(error.map { "\($0)" }?.contains(type.module) == true)
                    }
                }
                #expect(try session.sets().isEmpty)
                try session.create(SetSpec("A", .hashIPPort))
            }
        }

        /// Sessions of several namespaces have nothing to do with each other, even with sets of the same name.
        @Test func sessionsAreOfTheirNamespaces() throws {
            let (first, second) = (try NetworkNamespace("first"), try NetworkNamespace("second"))
            try first.run {
                var ours = try IPSetSession()
                try ours.create(SetSpec("A", .hashIPPort))
                try second.run {
                    var theirs = try IPSetSession()
                    #expect(try theirs.sets().isEmpty)
                    try theirs.create(SetSpec("A", .hashIP, .ipv6))
                    try theirs.add([SetElement(.address(SetCases.address("fd00::1")))], to: "A")
                }
                try ours.add(Self.elements(0..<10), to: "A")
                #expect(try ours.content(of: "A")?.elements.count == 10)
            }
            // Another makes it anew, with another type.
            let (third, element) = (try NetworkNamespace("third"), Self.element(1))
            try third.run {
                var session = try IPSetSession()
                try session.create(SetSpec("A", .hashIP))
                try third.tool(["ipset", "destroy", "A"])
                try third.tool(["ipset", "create", "A", "hash:ip,port"])
                try session.add([element], to: "A")
                #expect(try session.content(of: "A")?.elements == [element])
            }
        }
    }

#endif
