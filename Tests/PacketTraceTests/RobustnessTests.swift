import NFTables
import NetAddress
import PacketTrace
import Testing

/// Whatever rules a kernel may have, reading them ends, and probabilities add up to 1.
struct RobustnessTests {
    /// A generator whose numbers are always the same (SplitMix64).
    struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var number = state
            number = (number ^ number >> 30) &* 0xbf58_476d_1ce4_e5b9
            number = (number ^ number >> 27) &* 0x94d0_49bb_1331_11eb
            return number ^ number >> 31
        }
    }

    private func register(_ numbers: inout Numbers) -> Register {
        Register(number: UInt32.random(in: 0...30, using: &numbers))
    }

    private func length(_ numbers: inout Numbers) -> UInt32 {
        [0, 1, 2, 3, 4, 8, 16, 20, 40, 64, 65, 1 << 20, .max].randomElement(using: &numbers) ?? 0
    }

    private func bytes(_ numbers: inout Numbers) -> [UInt8] {
        (0..<Int.random(in: 0...20, using: &numbers)).map { _ in [0, 1, 8, 255].randomElement(using: &numbers) ?? 0 }
    }

    private func expression(_ numbers: inout Numbers) -> Expression {
        let (one, other) = (register(&numbers), register(&numbers))
        let base = [PayloadBase.link, .network, .transport].randomElement(using: &numbers) ?? .link
        let set = ["s", "m", "r", "none"].randomElement(using: &numbers) ?? ""
        let chain = ["a", "b", "none"].randomElement(using: &numbers) ?? ""
        let modulus = [0, 1, 2, 3, 7, 100, .max].randomElement(using: &numbers) ?? 0 as UInt32
        switch Int.random(in: 0...20, using: &numbers) {
        case 0, 1: return .payload(base: base, offset: length(&numbers), length: length(&numbers), one)
        case 2:
            return .meta([.mark, .inputInterfaceName, .transportProtocol].randomElement(using: &numbers) ?? .mark, one)
        case 3: return .setMeta(.mark, one)
        case 4:
            return .setPayload(
                base: base, offset: length(&numbers), length: length(&numbers), one, checksumOffset: nil)
        case 5: return .connection([.state, .status, .destinationPort].randomElement(using: &numbers) ?? .state, one)
        case 6: return .connectionTuple(.sourceIPv4, .reply, one)
        case 7: return .addressType(.source, one)
        case 8: return .random(modulus: modulus, one)
        case 9: return .increment(modulus: modulus, one)
        case 10: return .hash(one, length: length(&numbers), seed: 1, modulus: modulus, other)
        case 11: return .bitwise(one, mask: bytes(&numbers), xor: bytes(&numbers))
        case 12: return .toNetworkOrder(one, length: length(&numbers), size: length(&numbers))
        case 13: return .compare(one, Bool.random(using: &numbers) ? .equal : .notEqual, bytes(&numbers))
        case 14, 15:
            return .lookup(
                set: set, one, destination: Bool.random(using: &numbers) ? other : nil,
                inverted: Bool.random(using: &numbers))
        case 16:
            return .updateSet(
                .update, set: set, key: one, data: Bool.random(using: &numbers) ? other : nil, timeout: .max,
                .rateOver(perSecond: 1, burst: 1))
        case 17: return .destinationNAT(familyNumber: 2, address: one, port: other)
        case 18: return .masquerade(flags: 0)
        case 19: return .verdict(Bool.random(using: &numbers) ? .jump(chain) : .goto(chain))
        default: return .verdict([.accept, .drop, .return, .other(9)].randomElement(using: &numbers) ?? .accept)
        }
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>) func anyRules(seed: UInt64) throws {
        var numbers = Numbers(state: seed)
        func rules() -> [Rule] {
            (0..<4).map { _ in
                Rule(observed: (0..<Int.random(in: 1...6, using: &numbers)).map { _ in expression(&numbers) })
            }
        }
        for _ in 0..<10 {
            var table = TestTable(seed % 2 == 0 ? .ipv4 : .ipv6)
            let endpoint = SocketAddress(try ip(table.family == .ipv4 ? "10.1.0.1" : "fd00:1::1"), 1)
            table.set("s", [.destinationPort], [(ElementKey(), .member)])
            table.set("m", [.randomSlot(modulus: 3)], data: endpointData, [(ElementKey().slot(1), .endpoint(endpoint))])
            table.set("r", serviceKey, holdsRanges: true, [(try .key("10.0.0.1", .tcp, 80), .member)])
            for point in Chain.Point.allCases { table.chain("\(point)", .filter(point), rules: rules()) }
            table.chain("dnat", .nat(.prerouting), rules: rules())
            table.chain("snat", .nat(.postrouting), rules: rules())
            for chain in ["a", "b"] { table.chain(chain, nil, rules: rules()) }
            let path =
                table.family == .ipv4
                ? try table.path() : try table.path(from: "2001:db8::10", to: "fd00::1", origin: .node)
            #expect(path.outcomes.reduce(.zero) { $0 + $1.probability } == .one)
            #expect(!path.text(isVerbose: true).isEmpty && !path.json.description.isEmpty)
            // Who tells nothing finds the same.
            let node = try NodeView(addresses: [ip("192.0.2.10"), ip("2001:db8::10")])
            let silent = Tracer(table.ruleset, reports: false).path(of: path.packet, on: node)
            #expect(silent.outcomes.elementsEqual(path.outcomes) { $0 == $1 })
            #expect(silent.metLimit == path.metLimit && silent.lookups == path.lookups && silent.stages.isEmpty)
        }
    }
}
