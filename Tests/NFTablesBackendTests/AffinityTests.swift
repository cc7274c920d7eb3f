import Dataplane
import DataplaneConformance
import DataplaneTestKit
import NFTables
import NFTablesBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// What is particular to how nf_tables remembers clients; the rest stands in the conformance suite.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct AffinityTests {
    private static func sticky(pods: Int = 2, _ change: (inout Service) -> Void = { _ in }) -> Service {
        var service = TrafficTests.everyKind(.tcp, pods: pods)
        service.clientIPAffinitySeconds = 10800
        change(&service)
        return service
    }

    /// An entry of what is remembered, as nft lists it.
    private struct Memory {
        /// The map that it is in.
        let map: String
        let number: String
        let endpoint: String

        init?(of client: String, in namespace: NetworkNamespace) throws {
            let table = try namespace.tool(["nft", "list", "table", "ip", "svcctl"])
            var map = ""
            for line in table.split(separator: "\n") {
                let words = line.split(whereSeparator: \.isWhitespace).filter { $0 != "elements" && $0 != "=" }
                if words.first == "map", words.count > 1 { map = String(words[1]) }
                guard map.hasPrefix("affinity_"), let place = words.firstIndex(where: { $0 == client }),
                    place + 2 < words.count, let colon = words.lastIndex(of: ":"), colon + 1 < words.count
                else { continue }
                self.map = map
                number = String(words[place + 2])
                endpoint = String(words[colon + 1])
                return
            }
            return nil
        }

        /// Puts it into the map as if rules had learnt it.
        func learn(_ client: String, in namespace: NetworkNamespace) throws {
            try namespace.tool([
                "nft", "add", "element", "ip", "svcctl", map,
                "{ \(client) . \(number) . tcp timeout 1h : \(endpoint) . 8080 }",
            ])
        }
    }

    /// What a client was remembered for before anybody could forget it is caught: its next attempts find another
    /// endpoint, and never the one that is gone (semantics 37), however often that comes and goes.
    @Test func whatSlipsThroughIsCaught() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        let address = TrafficTests.clusterIPs.ipv4
        for _ in 1...2 {
            try Desired(services: [Self.sticky()]).apply(in: lab.node)
            let pod = try #require(Client.probe(from: lab.client, to: address, port: 80).server)
            let remaining = pod == "pod1" ? 2 : 1
            let memory = try #require(try Memory(of: "192.0.2.100", in: lab.node))
            let gone = Lab.podAddresses(pod == "pod1" ? 1 : 2).ipv4
            #expect(memory.endpoint == gone.description)
            let service = Self.sticky() { $0.endpoints.removeAll { $0.address == gone } }
            try Desired(services: [service]).apply(in: lab.node)
            #expect(try Memory(of: "192.0.2.100", in: lab.node) == nil)
            // As if it had been learnt between our look and our transaction: the memory is there, the endpoint is not.
            try memory.learn("192.0.2.100", in: lab.node)
            let first = Client.probe(from: lab.client, to: address, port: 80, timeout: .milliseconds(300))
            #expect(first == .timedOut)
            #expect(Client.probe(from: lab.client, to: address, port: 80).server == "pod\(remaining)")
        }
    }

    /// Another program that sends a service's clients elsewhere before we see them is left alone.
    @Test func redirectionsOfOthersAreLeftAlone() throws {
        let lab = try Lab(pods: 2)
        let servers = try lab.startServers(families: [.ipv4])
        defer { for server in servers { server.stop() } }
        try Desired(services: [Self.sticky(pods: 1)]).apply(in: lab.node)
        let address = TrafficTests.clusterIPs.ipv4
        #expect(Client.probe(from: lab.client, to: address, port: 80).server == "pod1")
        try lab.node.nft(
            """
            table ip other {
                chain elsewhere {
                    type nat hook prerouting priority -150;
                    ip daddr \(address) tcp dport 80 dnat to \(Lab.podAddresses(2).ipv4):8080
                }
            }

            """)
        for _ in 1...2 { #expect(Client.probe(from: lab.client, to: address, port: 80).server == "pod2") }
        try lab.node.tool(["nft", "delete", "table", "ip", "other"])
        #expect(Client.probe(from: lab.client, to: address, port: 80).server == "pod1")
    }

    /// An endpoint may have the very address and port that its clients ask for, in the host's network. The kernel then
    /// has nothing to translate, and the client is remembered all the same.
    @Test func clientsOfTheAddressItselfAreRemembered() throws {
        let lab = try Lab(pods: 0)
        let node = Lab.nodeAddresses.ipv4
        let server = try EchoServer(in: lab.node, address: node, port: 80, name: "node")
        defer { server.stop() }
        let service = Service.test("itself", clusterIPs: [TrafficTests.clusterIPs.ipv4], endpoints: [node]) {
            $0.externalIPs = [node]
            $0.clientIPAffinitySeconds = 600
            for index in $0.ports.indices { $0.ports[index].target = .number(80) }
        }
        try Desired(services: [service]).apply(in: lab.node)
        #expect(Client.probe(from: lab.client, to: node, port: 80).server == "node")
        let memory = try #require(try Memory(of: "192.0.2.100", in: lab.node))
        #expect(memory.endpoint == node.description)
        for target in [node, TrafficTests.clusterIPs.ipv4] {
            #expect(Client.probe(from: lab.client, to: target, port: 80).server == "node")
        }
    }

    /// While the kernel enlarges a map it may repeat entries, and it refuses to delete one twice.
    @Test func manyDepartedClientsAreForgotten() throws {
        let namespace = try NetworkNamespace("departed")
        let address: IPAddress = "10.96.0.10"
        let endpoints: [IPAddress] = ["10.244.1.1", "10.244.1.2"]
        for round in 0..<3 {
            func sticky(_ endpoints: [IPAddress]) -> Service {
                Service.test("sticky\(round)", clusterIPs: [address], endpoints: endpoints) {
                    $0.clientIPAffinitySeconds = 10800
                }
            }
            try Desired(services: [sticky(endpoints)]).apply(in: namespace)
            let plan = ServicePlanner(node: NodeFacts(nodeName: "node-a")).plan(sticky(endpoints))
            let number = try #require(plan.pools.first?.number)
            let elements = (0..<20_000).map { client in
                "10.1.\(client >> 8).\(client & 255) . \(IPAddress(ipv4: 0xf000_0000 | number)) . tcp timeout 1h"
                    + " : \(endpoints[client & 1]) . 8080"
            }
            try namespace.nft(
                "add element ip svcctl affinity_\(number & 15) { \(elements.joined(separator: ", ")) }\n")
            try Desired(services: [sticky([endpoints[0]])]).apply(in: namespace)
            let map = try namespace.tool(["nft", "list", "map", "ip", "svcctl", "affinity_\(number & 15)"])
            // The kernel may also leave some out; those are caught by the rules.
            #expect(map.split(separator: endpoints[1].description).count <= 200)
            #expect(map.split(separator: endpoints[0].description).count > 10_000)
        }
    }

    /// Somebody who deletes what was remembered takes nothing else with it, and the next change finds its way.
    @Test func aDeletedMemoryIsMended() throws {
        let namespace = try NetworkNamespace("lost")
        let planner = ServicePlanner(node: NodeFacts(nodeName: "node-a"))
        func sticky(_ endpoints: [IPAddress]) -> Service {
            Service.test("sticky", clusterIPs: ["10.96.0.10"], endpoints: endpoints) {
                $0.clientIPAffinitySeconds = 10800
            }
        }
        let before = sticky(["10.244.1.1", "10.244.1.2"])
        let after = sticky(["10.244.1.1"])
        let number = try #require(planner.plan(before).pools.first?.number)
        try namespace.run {
            var state = Desired(services: [before]).tracker()
            var backend = NFTablesBackend(options: Desired(services: []).options)
            try backend.observe(into: &state)
            _ = try backend.apply(&state)
            for chain in ["remembered", "update_affinity", "forget"] {
                try namespace.tool(["nft", "flush", "chain", "ip", "svcctl", chain])
            }
            try namespace.tool(["nft", "delete", "map", "ip", "svcctl", "affinity_\(number & 15)"])
            state.unwant(backend.fragment(for: planner.plan(before)))
            state.want(backend.fragment(for: planner.plan(after)))
            _ = try backend.apply(&state)
        }
        // What the backend could not know of shows in the next full comparison.
        try Desired(services: [after]).apply(in: namespace)
        #expect(try Desired(services: [after]).differences(in: namespace) == [])
    }
}
