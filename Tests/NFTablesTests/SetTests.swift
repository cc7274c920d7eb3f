import DataplaneTestKit
import NFTables
import NetAddress
import Netlink
import Testing

@Suite struct SetTests {
    static let key: [Field] = [.destinationAddress(.ipv4), .transportProtocol, .destinationPort]

    static func elementKey(_ address: IPAddress, _ port: UInt16, slot: UInt32? = nil) -> ElementKey {
        var key = ElementKey()
        key.append(address)
        key.append(.tcp)
        key.append(port: port)
        if let slot { key.append(slot: slot) }
        return key
    }

    /// Addresses and ports in network byte order, a protocol and a slot as the registers hold them.
    @Test func keysAreLaidOutAsRegistersAre() {
        let key = Self.elementKey(IPAddress(ipv4: 0x0a60_000a), 80, slot: 258)
        #expect(key.withBytes { Array($0) } == [10, 96, 0, 10, 6, 0, 0, 0, 0, 80, 0, 0, 2, 1, 0, 0])
        #expect(key.withBytes { ElementKey(bytes: $0) } == key)
    }

    @Test func keysCompareAsBytes() {
        let keys = [(1, 80), (1, 81), (2, 1), (256, 0)].map { Self.elementKey(IPAddress(ipv4: $0.0), $0.1) }
        #expect(keys.reversed().sorted() == keys)
        #expect(Set(keys + keys).count == 4)
    }

    /// More refusals than the socket can hold: the first of them is still told.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func manyRefusalsTellTheFirst() throws {
        try NetworkNamespace("refusals").run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            batch.add(Table(family: .ipv4, name: "t"))
            for number in 0..<5000 {
                batch.delete(SetDefinition(family: .ipv4, table: "t", name: "missing\(number)", key: []))
            }
            do {
                try socket.commit(batch)
                Issue.record("the kernel deleted sets that are not there")
            } catch let error as TransactionError {
                #expect(error.object == "set ip t missing0")
                #expect(error.cause.isAbsent)
            }
        }
    }

    @Test func longestKeyFits() {
        let address = IPAddress(ipv6: .max, .max)
        var key = ElementKey()
        key.append(address)
        key.append(address)
        key.append(.sctp)
        key.append(port: 65535)
        #expect(key.length == 40)
        key.append(slot: 1)
        #expect(key.length == 40, "what does not fit is left out")
        let tooLong = [UInt8](repeating: 1, count: 41)
        #expect(tooLong.withUnsafeBytes { ElementKey(bytes: $0) } == nil)
    }

    @Test func textOfElements() {
        let map = SetDefinition(
            family: .ipv4, table: "t", name: "m", key: Self.key + [.randomSlot(modulus: 2)],
            data: [.destinationAddress(.ipv4), .destinationPort])
        let value = ElementValue(endpoint: SocketAddress(IPAddress(ipv4: 0x0af4_0102), 8080))
        let text = map.text(of: Self.elementKey(IPAddress(ipv4: 0x0a60_000a), 80, slot: 1), value)
        #expect(text == "10.96.0.10 . tcp . 80 . 1 : 10.244.1.2 . 8080")
        #expect(map.typeText == "typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport")
    }

    /// Nothing that a comment holds can end its quotes or its line.
    @Test func commentsStayWithinTheirQuotes() {
        let set = SetDefinition(family: .ipv4, table: "t", name: "s", key: [.destinationPort])
        var key = ElementKey()
        key.append(port: 1)
        let text = set.text(of: key, ElementValue(comment: "a\" ; drop \n\u{7f}\"}"))
        #expect(text == "1 comment \"a ; drop }\"")
    }

    /// Every form that a set of ours can have goes to the kernel and comes back equal, elements included.
    @Test(
        .enabled(if: TestPrivilege.canMakeNamespaces), arguments: IPFamily.allCases)
    func setsRoundTrip(_ family: IPFamily) throws {
        let address = family == .ipv4 ? IPAddress(ipv4: 0x0a60_000a) : IPAddress(ipv6: 0xfd00 << 48, 10)
        let ports: [Field] = [.transportProtocol, .destinationPort]
        let full: [Field] = [.destinationAddress(family)] + ports
        let pair: [Field] = [.sourceAddress(family), .destinationAddress(family)] + ports
        let data: [Field] = [.destinationAddress(family), .destinationPort]
        func definition(_ name: String, _ key: [Field], _ data: [Field]? = nil, counts: Bool = false) -> SetDefinition {
            SetDefinition(family: family, table: "round", name: name, key: key, data: data, countsPackets: counts)
        }
        let sets = [
            definition("addresses", [.destinationAddress(family)]), definition("sources", [.sourceAddress(family)]),
            definition("ports", ports), definition("counted", full, counts: true), definition("pairs", pair),
            definition("slots", full + [.randomSlot(modulus: 7)], data),
            definition("port_slots", ports + [.randomSlot(modulus: 65535)], data),
        ]
        let ranges = SetDefinition(
            family: family, table: "round", name: "ranges", key: full + [.sourceAddress(family)], holdsRanges: true)
        let limits = {
            var limits = definition("numbers_with_limits", [.destinationAddress(family)])
            limits.isDynamic = true
            limits.expression = .connectionsOver(1)
            return limits
        }()
        let numbers = definition("numbers", full, [.destinationAddress(family)])
        let passing = {
            var passing = definition("passing", [.destinationAddress(family)])
            passing.hasTimeouts = true
            passing.timeoutSeconds = 93_784
            return passing
        }()
        let namespace = try NetworkNamespace("sets")
        try namespace.run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            let table = Table(family: family, name: "round", comment: "round trip")
            batch.add(table)
            for set in sets { batch.add(set) }
            batch.add(ranges)
            batch.add(limits)
            batch.add(numbers)
            batch.add(passing)
            var number = ElementKey()
            number.append(address)
            let limit = ElementValue.stateful(.connectionsOver(7), comment: "at most seven")
            batch.add([(number, limit)], to: limits)
            let named = (Self.elementKey(address, 80), ElementValue.address(address, comment: "a name"))
            batch.add([named], to: numbers)
            let prefix = try #require(CIDR(address, prefixLength: 20))
            var (start, end) = (Self.elementKey(address, 53), Self.elementKey(address, 53))
            start.append(prefix.address)
            end.append(prefix.lastAddress)
            batch.add([(start, .range(end: end))], to: ranges)
            var key = ElementKey()
            key.append(address)
            key.append(.udp)
            key.append(port: 53)
            batch.add([(key, ElementValue(comment: "a comment"))], to: sets[3])
            key.append(slot: 6)
            let endpoint = ElementValue(endpoint: SocketAddress(address, 65535))
            batch.add([(key, endpoint)], to: sets[5])
            try socket.commit(batch)

            #expect(try socket.tables(family) == [table])
            #expect(try socket.sets(of: table).map(\.definition) == sets + [ranges, limits, numbers, passing])
            var found: [ObservedElement] = []
            try socket.elements(of: limits) { found.append($0) }
            #expect(found.map(\.key) == [number] && found.map(\.value) == [limit])
            found = []
            try socket.elements(of: numbers) { found.append($0) }
            #expect(found.map(\.key) == [named.0] && found.map(\.value) == [named.1])
            found = []
            try socket.elements(of: sets[5]) { found.append($0) }
            #expect(found.map(\.key) == [key] && found.map(\.value) == [endpoint])
            found = []
            try socket.elements(of: sets[3]) { found.append($0) }
            #expect(found.first?.value.comment == "a comment")
            found = []
            #expect(try socket.elements([key], of: sets[5]) { found.append($0) })
            #expect(try socket.elements([named.0], of: numbers) { found.append($0) })
            #expect(try !socket.elements([named.0], of: sets[3]) { found.append($0) }, "no such element")
            #expect(found.map(\.key) == [key, named.0] && found.map(\.value) == [endpoint, named.1])
            found = []
            try socket.elements(of: sets[3]) { found.append($0) }
            var observed: [ObservedElement] = []
            try socket.elements(of: ranges) { observed.append($0) }
            #expect(observed.map(\.key) == [start] && observed.map(\.value) == [.range(end: end)])
            #expect(ranges.text(of: start, .range(end: end)).hasSuffix(" . 53 . \(prefix)"))
            var deletion = Batch(generation: nil)
            deletion.delete([(start, .range(end: end))], from: ranges)
            try socket.commit(deletion)
            #expect(found.first?.counter == ElementCounter())
        }
        let listing = try namespace.tool(["nft", "list", "ruleset"])
        for set in sets { #expect(listing.contains(set.typeText)) }
        #expect(listing.contains("elements = { \(address) ct count over 7 comment \"at most seven\" }"))
        #expect(listing.contains(" . tcp . 80 comment \"a name\" : \(address) }"))
        #expect(listing.contains("\t\ttimeout 1d2h3m4s\n"))
    }

    /// More elements than one attribute or one answer can hold.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func manyElementsRoundTrip() throws {
        let set = SetDefinition(family: .ipv4, table: "many", name: "s", key: Self.key)
        let keys = (0..<20_000).map { Self.elementKey(IPAddress(ipv4: 0x0a00_0000 + UInt32($0)), 80) }
        let namespace = try NetworkNamespace("many")
        try namespace.run {
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            batch.add(Table(family: .ipv4, name: "many"))
            batch.add(set)
            batch.add(keys.map { ($0, ElementValue()) }, to: set)
            try socket.commit(batch)
            // While the kernel still enlarges the set it may repeat elements; the backend asks again, and so do we.
            var found: [ElementKey] = []
            for _ in 0..<20 where Set(found) != Set(keys) || found.count != keys.count {
                found = []
                try socket.elements(of: set) { found.append($0.key) }
            }
            #expect(found.sorted() == keys)
            found = []
            #expect(try socket.elements(keys[...], of: set) { found.append($0.key) })
            #expect(found == keys, "in the order in which they were asked for")
            var deletion = Batch(generation: nil)
            deletion.delete(keys.dropFirst().map { ($0, ElementValue()) }, from: set)
            try socket.commit(deletion)
            found = []
            try socket.elements(of: set) { found.append($0.key) }
            #expect(found == [keys[0]])
        }
    }
}
