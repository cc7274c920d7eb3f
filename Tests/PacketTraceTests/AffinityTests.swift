import NFTables
import NetAddress
import PacketTrace
import Testing

/// Rules that number services, remember clients and restore what they wrote: the trace knows none of their names.
struct AffinityTests {
    static let client: [Field] = [.destinationAddress(.ipv4), .sourceAddress(.ipv4)]
    static let drawn = serviceKey + [.randomSlot(modulus: 2)]

    private func table(remembered: Bool) throws -> TestTable {
        let (number, key) = (try ip("240.0.0.1"), try ElementKey.key("240.0.0.1", .tcp, 80))
        var table = TestTable()
        table.set(
            "numbers", serviceKey, data: [.destinationAddress(.ipv4)],
            [(try .key("10.0.0.1", .tcp, 80), .address(number, comment: "shop/web:http"))])
        table.set(
            "endpoints", Self.drawn, data: endpointData,
            try [0, 1].map { (key.slot($0), .endpoint(SocketAddress(try ip("10.1.0.\($0 + 1)"), 8080))) })
        var affinity = ElementKey()
        affinity.append(number)
        affinity.append(try ip("192.0.2.100"))
        let kept = SocketAddress(try ip("10.1.0.2"), 8080)
        table.set("kept", Self.client, data: endpointData, remembered ? [(affinity, .endpoint(kept))] : []) {
            $0.isDynamic = true
            $0.hasTimeouts = true
        }
        table.chain("number", .filter(.prerouting, -110), [[.setDestination(.ipv4, serviceKey, map: "numbers")]])
        table.chain(
            "pick", .nat(.prerouting),
            [[.redirect(.ipv4, Self.client, map: "kept")], [.redirect(.ipv4, Self.drawn, map: "endpoints")]])
        let internals = try #require(CIDR("240.0.0.0/8"))
        table.chain(
            "restore", .filter(.prerouting, -90),
            [[.address(.destination, .equal, internals), .setDestination(.ipv4, [.originalDestination(.ipv4)])]])
        let learned: [Field] = [.originalDestination(.ipv4), .originalSource(.ipv4)]
        table.chain(
            "learn", .filter(.postrouting),
            [
                [
                    .connectionIsRedirected,
                    .updateSet(
                        .update, "kept", learned, data: [.replySource(.ipv4), .destinationPort], timeout: 10_800),
                ]
            ])
        return table
    }

    @Test func first() throws {
        let path = try table(remembered: false).path()
        #expect(path.outcomes.count == 2)
        #expect(path.definitions == ["shop/web:http"])
        let text = path.text()
        #expect(
            text.contains(
                "ip daddr . meta l4proto . th dport = 10.0.0.1 . tcp . 80 is in numbers and leads to 240.0.0.1"))
        #expect(text.contains("one of 2 slots of endpoints: 10.1.0.1:8080 (1/2), 10.1.0.2:8080 (1/2)"))
        #expect(
            text.contains(
                "remembers 10.0.0.1 . 192.0.2.100 : 10.1.0.1:8080, 10.0.0.1 . 192.0.2.100 : 10.1.0.2:8080 in kept for 10800 s"
            ))
    }

    @Test func again() throws {
        let path = try table(remembered: true).path()
        let kept = SocketAddress(try ip("10.1.0.2"), 8080)
        #expect(path.outcomes.map(\.outcome) == [.delivered(to: kept, masqueraded: false)])
        #expect(path.text().contains("240.0.0.1 . 192.0.2.100 is in kept and leads to 10.1.0.2:8080"))
    }

    /// What is not translated goes on to where it was sent.
    @Test func restored() throws {
        var table = try table(remembered: false)
        for index in table.content.sets.indices where table.content.sets[index].definition.name == "endpoints" {
            table.content.sets[index].elements = []
        }
        #expect(try table.path().outcomes.map(\.outcome) == [.unchanged])
        #expect(try table.path(to: "10.0.0.2").outcomes.map(\.outcome) == [.unchanged])
    }

    /// A client's hash always leads to the same endpoint.
    @Test func sourceHash() throws {
        let key = serviceKey + [.sourceSlot(.ipv4, modulus: 2)]
        var table = TestTable()
        table.set(
            "endpoints", Self.drawn, data: endpointData,
            try [0, 1].map {
                (try .key("10.0.0.1", .tcp, 80).slot($0), .endpoint(SocketAddress(try ip("10.1.0.\($0 + 1)"), 8080)))
            })
        table.chain("pick", .nat(.prerouting), [[.redirect(.ipv4, key, map: "endpoints")]])
        let slots = try (1...20).map { number -> UInt32 in
            let path = try table.path(from: "192.0.2.\(number)")
            #expect(path.outcomes.count == 1)
            let bytes = try ip("192.0.2.\(number)").networkBytes
            let slot = bytes.withUnsafeBytes { JenkinsHash.slot($0, seed: Field.hashSeed, modulus: 2) }
            let endpoint = SocketAddress(try ip("10.1.0.\(slot + 1)"), 8080)
            #expect(path.probability(of: .delivered(to: endpoint, masqueraded: false)) == .one)
            #expect(path.text().contains("jhash ip saddr mod 2 seed 0x73766363"))
            return slot
        }
        #expect(Set(slots) == [0, 1])
    }

    @Test func turns() throws {
        let key = serviceKey + [.nextSlot(modulus: 2)]
        var table = TestTable()
        table.set(
            "endpoints", Self.drawn, data: endpointData,
            try [0, 1].map {
                (try .key("10.0.0.1", .tcp, 80).slot($0), .endpoint(SocketAddress(try ip("10.1.0.\($0 + 1)"), 8080)))
            })
        table.chain("pick", .nat(.prerouting), [[.redirect(.ipv4, key, map: "endpoints")]])
        let path = try table.path()
        #expect(path.outcomes.map(\.probability) == [Fraction(1, 2), Fraction(1, 2)])
        #expect(path.text().contains("the next of 2 slots of endpoints, which take turns: 10.1.0.1:8080 (1/2)"))
    }
}
