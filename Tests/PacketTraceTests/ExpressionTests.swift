import NFTables
import NetAddress
import PacketTrace
import Testing

/// Every instruction, byte for byte as the kernel has it.
struct ExpressionTests {
    static let first = Register.first
    static let second = Register(word: 1)

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var expressions: [Expression]
        var matches = true
        var testDescription: String { name }
    }

    static let plain = [
        Case(
            name: "source address",
            expressions: [
                .payload(base: .network, offset: 12, length: 4, first), .compare(first, .equal, [192, 0, 2, 100]),
            ]),
        Case(
            name: "other source address",
            expressions: [
                .payload(base: .network, offset: 12, length: 4, first), .compare(first, .equal, [192, 0, 2, 101]),
            ], matches: false),
        Case(
            name: "three bytes, and the fourth is zero",
            expressions: [
                .payload(base: .network, offset: 12, length: 3, first), .compare(first, .equal, [192, 0, 2, 0]),
            ]),
        Case(
            name: "port",
            expressions: [.payload(base: .transport, offset: 2, length: 2, first), .compare(first, .equal, [0, 80])]),
        Case(
            name: "SYN",
            expressions: [.payload(base: .transport, offset: 13, length: 1, first), .compare(first, .equal, [2])]),
        Case(
            name: "protocol", expressions: [.meta(.transportProtocol, first), .compare(first, .equal, [6, 0, 0, 0])]),
        Case(name: "mark", expressions: [.meta(.mark, first), .compare(first, .equal, host(0))]),
        Case(
            name: "interface",
            expressions: [.meta(.inputInterfaceName, first), .compare(first, .equal, Array("eth".utf8))]),
        Case(
            name: "whole interface",
            expressions: [
                .meta(.inputInterfaceName, first),
                .compare(first, .equal, Array("eth".utf8) + [UInt8](repeating: 0, count: 13)),
            ], matches: false),
        Case(
            name: "masked",
            expressions: [
                .payload(base: .network, offset: 16, length: 4, first),
                .bitwise(first, mask: [255, 0, 0, 0], xor: [0, 0, 0, 1]), .compare(first, .equal, [10, 0, 0, 1]),
            ]),
        Case(
            name: "swapped",
            expressions: [
                .payload(base: .transport, offset: 2, length: 2, first), .toNetworkOrder(first, length: 2, size: 2),
                .compare(first, .equal, [80, 0]),
            ]),
        Case(
            name: "one byte is not swapped",
            expressions: [
                .meta(.transportProtocol, first), .toNetworkOrder(first, length: 1, size: 2),
                .compare(first, .equal, [6]),
            ]),
        Case(
            name: "old and new register names",
            expressions: [
                .payload(base: .network, offset: 16, length: 4, second),
                .compare(Register(number: 9), .equal, [10, 0, 0, 1]),
            ]),
        Case(name: "what is not loaded", expressions: [.compare(second, .equal, [0, 0, 0, 0])], matches: false),
        Case(
            name: "what is not known",
            expressions: [.payload(base: .transport, offset: 0, length: 2, first), .compare(first, .equal, [0, 0])],
            matches: false),
        Case(
            name: "what is not known differs",
            expressions: [.payload(base: .transport, offset: 0, length: 2, first), .compare(first, .notEqual, [0, 0])]),
        Case(name: "new", expressions: [.connection(.state, first), .compare(first, .equal, host(8))]),
        Case(name: "NAT decided", expressions: [.connection(.status, first), .compare(first, .equal, host(0x100))]),
        Case(
            name: "connection's protocol",
            expressions: [.connection(.transportProtocol, first), .compare(first, .equal, [6])]),
        Case(
            name: "original destination",
            expressions: [
                .connectionTuple(.destinationIPv4, .original, first), .compare(first, .equal, [10, 0, 0, 1]),
            ]),
        Case(
            name: "original port",
            expressions: [.connectionTuple(.destinationPort, .original, first), .compare(first, .equal, [0, 80])]),
        Case(
            name: "reply source",
            expressions: [.connectionTuple(.sourceIPv4, .reply, first), .compare(first, .equal, [10, 0, 0, 1])]),
        Case(
            name: "reply destination",
            expressions: [
                .connectionTuple(.destinationIPv4, .reply, first), .compare(first, .equal, [192, 0, 2, 100]),
            ]),
        Case(
            name: "not the node's", expressions: [.addressType(.destination, first), .compare(first, .equal, host(1))]),
        Case(name: "counter", expressions: [.counter]),
        Case(name: "match of iptables", expressions: [.match(name: "set", revision: 4, payload: [])], matches: false),
        Case(name: "target of iptables", expressions: [.target(name: "LOG", revision: 0, payload: [])], matches: false),
        Case(name: "unknown", expressions: [.other(name: "quota")], matches: false),
        Case(
            name: "set that is not there", expressions: [.lookup(set: "x", first, destination: nil, inverted: true)],
            matches: false),
        Case(name: "register that is not there", expressions: [.meta(.mark, Register(number: 0))], matches: false),
        Case(
            name: "beyond the registers",
            expressions: [.compare(Register(word: 15), .equal, [UInt8](repeating: 0, count: 8))], matches: false),
        Case(name: "impossible length", expressions: [.toNetworkOrder(first, length: .max, size: 0)], matches: false),
        Case(name: "no choice", expressions: [.random(modulus: 0, first)], matches: false),
        Case(name: "too much choice", expressions: [.random(modulus: .max, first)], matches: false),
    ]

    @Test(arguments: plain) func conditions(_ test: Case) throws {
        // At priority 0 connection tracking has seen the packet.
        #expect(try TestTable.matches(test.expressions) == test.matches)
    }

    @Test func beforeConnectionTracking() throws {
        for (expressions, expected) in [
            ([Expression.connection(.state, Self.first), .compare(Self.first, .equal, host(1))], true),
            ([.connection(.status, Self.first)], false),
            ([.connectionTuple(.destinationPort, .original, Self.first)], false),
        ] {
            var table = TestTable()
            table.chain("raw", .filter(.prerouting, -300), rules: [Rule(observed: expressions + [.verdict(.drop)])])
            #expect(try table.path().probability(of: .dropped) == (expected ? .one : .zero))
        }
    }

    @Test func unknownInterface() throws {
        var table = TestTable()
        table.chain("c", .filter(.prerouting), [[.inputInterface("", isPrefix: false), .verdict(.drop)]])
        let outside = try table.path(origin: .interface(nil))
        #expect(outside.outcomes.map(\.outcome) == [.unchanged])
        #expect(outside.notes.contains { $0.contains("--via") })
        #expect(outside.notes.contains { $0.contains("iifname is not known") })
        // A process has no interface, which compares as the empty name.
        var output = TestTable()
        output.chain("c", .filter(.output), [[.inputInterface("", isPrefix: false), .verdict(.drop)]])
        #expect(try output.path(from: "192.0.2.10", origin: .node).outcomes.map(\.outcome) == [.dropped])
    }

    @Test(arguments: [("192.0.2.10", 2), ("127.3.0.1", 2), ("224.0.0.1", 5), ("255.255.255.255", 3), ("10.0.0.1", 1)])
    func addressTypes(address: String, type: UInt32) throws {
        let expressions: [Expression] = [
            .addressType(.destination, Self.first), .compare(Self.first, .equal, host(type)),
        ]
        #expect(try TestTable.matches(expressions, path: { try $0.path(to: address) }))
    }

    /// A choice splits the world, and worlds that end alike become one again.
    @Test func choices() throws {
        for choice in [Expression.random(modulus: 3, Self.first), .increment(modulus: 3, Self.first)] {
            var table = TestTable()
            table.chain(
                "c", .filter(.prerouting),
                rules: [Rule(observed: [choice, .compare(Self.first, .equal, host(1)), .verdict(.drop)])])
            let path = try table.path()
            #expect(path.outcomes.map(\.outcome) == [.unchanged, .dropped])
            #expect(try path.outcomes.map(\.probability) == [third(2), third()])
            #expect(path.stages.map(\.steps.count) == [1])
        }
    }

    @Test func manyChoicesStayExact() throws {
        // Without merging there would be 7^30 worlds.
        let rule = Rule(observed: [
            .random(modulus: 7, Self.first), .compare(Self.first, .equal, host(9)), .verdict(.drop),
        ])
        var table = TestTable()
        table.chain("c", .filter(.prerouting), rules: Array(repeating: rule, count: 30))
        #expect(try table.path().probability(of: .unchanged) == .one)
        // And here the fractions would outgrow their numbers: the rest of the choices is not followed.
        let real = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59].map { (modulus: UInt32) in
            Rule(observed: [
                .random(modulus: modulus, Self.first), .compare(Self.first, .equal, host(1)), .verdict(.drop),
            ])
        }
        var deep = TestTable()
        deep.chain("c", .filter(.prerouting), rules: real)
        let path = try deep.path()
        #expect(path.outcomes.reduce(.zero) { $0 + $1.probability } == .one)
        #expect(path.notes.contains { $0.contains("too large to follow") })
    }

    @Test func hashes() throws {
        let source = try ip("192.0.2.100")
        let slot = source.networkBytes.withUnsafeBytes { JenkinsHash.slot($0, seed: Field.hashSeed, modulus: 100) }
        let load: [Expression] = [
            .payload(base: .network, offset: 12, length: 4, Self.second),
            .hash(Self.second, length: 4, seed: Field.hashSeed, modulus: 100, Self.first),
        ]
        #expect(try TestTable.matches(load + [.compare(Self.first, .equal, host(slot))]))
        #expect(try !TestTable.matches(load + [.compare(Self.first, .equal, host(slot + 1))]))
    }

    /// What is written into the packet is seen by later rules, but the connection stays what it was.
    @Test func writing() throws {
        var table = TestTable()
        table.set(
            "numbers", serviceKey, data: [.destinationAddress(.ipv4)],
            [(try .key("10.0.0.1", .tcp, 80), .address(try ip("240.0.0.1"), comment: "shop/web"))])
        let rewritten = try #require(CIDR("240.0.0.1/32"))
        let original = try #require(CIDR("10.0.0.1/32"))
        table.chain(
            "c", .filter(.prerouting),
            [
                [.setDestination(.ipv4, serviceKey, map: "numbers")],
                [.address(.destination, .equal, original), .verdict(.drop)],
                [.address(.destination, .equal, rewritten), .setMark(1)],
            ])
        table.chain(
            "d", .filter(.prerouting, 1), [[.markIsSet(1), .setDestination(.ipv4, [.originalDestination(.ipv4)])]])
        let path = try table.path()
        #expect(path.outcomes.map(\.outcome) == [.unchanged])
        #expect(path.definitions == ["shop/web"])
        #expect(path.text().contains("ip daddr set 240.0.0.1"))
        #expect(path.text().contains("ip daddr set 10.0.0.1"))

        // Left as it is, the packet would leave for that number.
        table.content.chains.removeLast()
        let left = try SocketAddress(ip("240.0.0.1"), 80)
        #expect(try table.path().outcomes.map(\.outcome) == [.delivered(to: left, masqueraded: false)])
    }

    @Test func marks() throws {
        var table = TestTable()
        table.chain("c", .filter(.prerouting), [[.setMark(0x4000)], [.markIsSet(0x4000), .flipMark(0x4000)]])
        table.chain("d", .filter(.postrouting), [[.markIsSet(0x4000), .verdict(.drop)]])
        #expect(try table.path().probability(of: .dropped) == .zero)
    }

    @Test func refusing() throws {
        for type in [0, 1, 2] as [UInt32] {
            var table = TestTable()
            table.chain("c", .filter(.forward), rules: [Rule(observed: [.reject(type: type, code: 3)])])
            #expect(try table.path().outcomes.map(\.outcome) == [.refused])
        }
    }
}
