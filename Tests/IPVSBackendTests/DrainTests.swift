import Dataplane
import DataplaneConformance
import DataplaneTestKit
import Glibc
import IPVSBackend
import Links
import NetAddress
import ServiceModel
import ServicePlan
import Testing

extension WithKernel {
    /// Endpoints that leave keep their connections until they end (semantics 60).
    @Suite struct DrainTests {
        private static let address: IPAddress = "10.96.0.10"
        private static let both = Service.test(
            "web", clusterIPs: [address], nodePort: 30080, endpoints: ["10.244.1.2", "10.244.1.3"])
        private static let first = "-r 10.244.1.2:8080"

        /// The node knows its addresses, so that it has node ports.
        static let node: NodeFacts = {
            var node = NodeFacts(nodeName: "node-a")
            node.addresses = [Lab.nodeAddresses.ipv4]
            return node
        }()

        /// A service on its way, as an agent drives it.
        static func replace(
            _ old: Service?, _ new: Service?, _ reconciliation: inout Reconciliation<IPVSBackend>
        ) throws -> ChangeSummary {
            let planner = ServicePlanner(node: node)
            reconciliation.backend.exchange(
                old.map { planner.plan($0) }, for: new.map { planner.plan($0) }, in: &reconciliation.state)
            return try reconciliation.apply()
        }

        /// What the stock tool lists, without `-a -t 10.96.0.10:80`, in order.
        static func servers(in namespace: NetworkNamespace) throws -> [String] {
            try namespace.tool(["ipvsadm", "-S", "-n"]).split(separator: "\n").map {
                String($0).replacing("-a -t ", with: "")
            }
            .sorted()
        }

        /// Attends to what leaves, as the agent does each second, until nothing is left of it.
        static func waitForEnd(_ reconciliation: inout Reconciliation<IPVSBackend>) throws {
            let end = ContinuousClock.now + .seconds(60)
            while reconciliation.backend.attentionPeriod != nil, ContinuousClock.now < end {
                usleep(100_000)
                try reconciliation.backend.attend(to: &reconciliation.state)
            }
            #expect(reconciliation.backend.attentionPeriod == nil, "it still waits")
        }

        /// A service with one endpoint, the first, and connections to it; then the other one comes.
        private static func connect(
            _ lab: Lab, _ reconciliation: inout Reconciliation<IPVSBackend>, to targets: [(IPAddress, UInt16)]
        ) throws -> [LongConnection] {
            for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
            _ = try reconciliation.apply()
            let connections = try targets.map { try LongConnection(from: lab.client, to: $0.0, port: $0.1) }
            #expect(connections.allSatisfy { $0.greeting.server == "pod1" })
            _ = try Self.replace(alone("10.244.1.2"), Self.both, &reconciliation)
            return connections
        }

        /// The service with one of its endpoints.
        private static func alone(_ endpoint: IPAddress) -> Service {
            var service = both
            service.endpoints = [Endpoint(address: endpoint)]
            return service
        }

        @Test func endpointsLeaveAndReturn() throws {
            let only = Self.alone("10.244.1.3")
            let lab = try Lab(pods: 2)
            let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
            let later = Desired(services: [only], node: Self.node)
            try Desired(services: [Self.alone("10.244.1.2")], node: Self.node).observing(in: lab.node) {
                reconciliation in
                let connections = try Self.connect(lab, &reconciliation, to: [(Self.address, 80)])
                let connection = try #require(connections.first)
                let removal = try Self.replace(Self.both, only, &reconciliation)
                // That of the node port had no connections.
                #expect(removal == ChangeSummary(added: 0, changed: 0, removed: 2))
                let left = try Self.servers(in: lab.node)
                #expect(left.filter { $0.contains(Self.first) } == ["10.96.0.10:80 \(Self.first) -m -w 0"])
                #expect(try connection.exchange("still here") == "still here")
                let tally = try Client.tally(4, from: lab.client, to: Self.address, port: 80)
                #expect(tally.answers == ["pod2": 4])

                // A process that starts anew sees what it is, and leaves it alone.
                let differences = try later.differences(in: lab.node)
                #expect(differences == [])
                let changes = try later.observing(in: lab.node) { other in
                    let changes = try other.apply()
                    #expect(other.backend.attentionPeriod == .seconds(1))
                    try other.backend.attend(to: &other.state)
                    #expect(other.backend.attentionPeriod == .seconds(1))
                    return changes
                }
                #expect(changes.isEmpty)
                #expect(try Self.servers(in: lab.node) == left)

                // It comes back by a change, with its connections.
                let restoration = try Self.replace(only, Self.both, &reconciliation)
                #expect(restoration == ChangeSummary(added: 2, changed: 0, removed: 0))
                #expect(reconciliation.backend.attentionPeriod == nil)
                let status = try reconciliation.backend.status() ?? []
                let details = status.first { $0.kind == .clusterIP }?.endpointDetails ?? []
                #expect(details.map(\.weight) == [1, 1])
                #expect(details.first?.activeConnections == 1)
                #expect(try connection.exchange("still here") == "still here")

                // When the connection has ended, the endpoint goes.
                _ = try Self.replace(Self.both, only, &reconciliation)
                try lab.node.tool(["ipvsadm", "--set", "0", "1", "0"])
                for server in servers where server.name == "pod1" { server.stop() }
                try Self.waitForEnd(&reconciliation)
                #expect(try Self.servers(in: lab.node).filter { $0.contains(Self.first) } == [])
                #expect(try later.differences(in: lab.node) == [])
                withExtendedLifetime(connection) {}
            }
        }

        /// With a service's last connection goes what showed that its virtual server is ours; the node port's own goes by
        /// a process that knows of it from the kernel alone.
        @Test func servicesLeaveAndReturn() throws {
            let only = Self.alone("10.244.1.3")
            let lab = try Lab(pods: 2)
            let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
            let nothing = Desired(services: [], node: Self.node)
            try Desired(services: [Self.alone("10.244.1.2")], node: Self.node).observing(in: lab.node) {
                reconciliation in
                let connections = try Self.connect(
                    lab, &reconciliation, to: [(Self.address, 80), (Lab.nodeAddresses.ipv4, 30080)])
                // One leaves with a connection, then all of the service goes: who is idle goes at once.
                _ = try Self.replace(Self.both, only, &reconciliation)
                _ = try Self.replace(only, nil, &reconciliation)
                let left = [
                    "-A -t 10.96.0.10:80 -s wrr", "-A -t 192.0.2.10:30080 -s wrr",
                    "10.96.0.10:80 \(Self.first) -m -w 0", "192.0.2.10:30080 \(Self.first) -m -w 0",
                ]
                #expect(try Self.servers(in: lab.node) == left)
                for connection in connections { #expect(try connection.exchange("still here") == "still here") }
                for namespace in [lab.client, lab.node] {
                    #expect(Client.probe(from: namespace, to: Self.address, port: 80) == .refused)
                }
                #expect(try nothing.differences(in: lab.node) == [])

                // It comes back, with another scheduler, and goes once more.
                var returning = Self.both
                returning.scheduler = .lc
                _ = try Self.replace(nil, returning, &reconciliation)
                let found = try Self.servers(in: lab.node)
                #expect(found.count { $0.hasSuffix(" -s lc") } == 2 && found.count { $0.hasSuffix(" -w 1") } == 4)
                #expect(try Desired(services: [returning], node: Self.node).differences(in: lab.node) == [])
                for connection in connections { #expect(try connection.exchange("still here") == "still here") }
                _ = try Self.replace(returning, nil, &reconciliation)

                try lab.node.tool(["ipvsadm", "--set", "1", "1", "0"])
                for connection in connections { _ = try connection.exchange("the last one") }
                for server in servers { server.stop() }
                try nothing.observing(in: lab.node) { other in
                    #expect(other.backend.attentionPeriod == .seconds(1))
                    try Self.waitForEnd(&other)
                    let changes = try other.apply()
                    #expect(changes.isEmpty)
                }
                #expect(try Self.servers(in: lab.node) == [])
                #expect(try lab.node.tool(["ip", "-4", "-o", "address", "show", "dev", "svcctl0"]) == "")
                #expect(try !lab.node.tool(["ipset", "save"]).contains("add "))
                #expect(try nothing.differences(in: lab.node) == [])
                withExtendedLifetime(connections) {}
            }
        }

        /// The node's own clients of an external address under policy Local, whose virtual server has a mark and no address.
        @Test func connectionsOfTheNodeItselfAreKept() throws {
            let lab = try Lab(pods: 1)
            let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
            defer { for server in servers { server.stop() } }
            let service = Service.test("web", endpoints: ["10.244.1.2"]) {
                $0.externalIPs = ["203.0.113.7"]
                $0.externalTrafficPolicy = .local
                $0.endpoints[0].nodeName = "node-b"
            }
            let nothing = Desired(services: [], node: Self.node)
            try Desired(services: [service], node: Self.node).observing(in: lab.node) { reconciliation in
                for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
                _ = try reconciliation.apply()
                let connection = try LongConnection(from: lab.node, to: "203.0.113.7", port: 80)
                #expect(connection.greeting.server == "pod1")
                _ = try Self.replace(service, nil, &reconciliation)
                #expect(reconciliation.backend.attentionPeriod == .seconds(1))
                let left = try Self.servers(in: lab.node)
                #expect(left.count == 2 && left.allSatisfy { $0.contains("-f ") }, "\(left)")
                #expect(try connection.exchange("still here") == "still here")
                #expect(try nothing.differences(in: lab.node) == [])

                // Served anew, under the other policy, the address is the node's own clients' too.
                var open = service
                open.externalTrafficPolicy = .cluster
                _ = try Self.replace(nil, open, &reconciliation)
                #expect(try Desired(services: [open], node: Self.node).differences(in: lab.node) == [])
                let another = try LongConnection(from: lab.node, to: "203.0.113.7", port: 80)
                #expect(another.greeting.server == "pod1")
                #expect(try connection.exchange("still here") == "still here")
                _ = try Self.replace(open, service, &reconciliation)
                _ = try Self.replace(service, nil, &reconciliation)
                #expect(try connection.exchange("still here") == "still here")

                // A process that starts anew knows of it, too, and takes all away in the end.
                try nothing.observing(in: lab.node) { other in
                    let changes = try other.apply()
                    #expect(changes.isEmpty && other.backend.attentionPeriod == .seconds(1))
                    try lab.node.tool(["ipvsadm", "--set", "1", "1", "0"])
                    for connection in [connection, another] { _ = try connection.exchange("the last one") }
                    for server in servers { server.stop() }
                    try Self.waitForEnd(&other)
                }
                #expect(try Self.servers(in: lab.node) == [])
                #expect(try lab.node.tool(["ip", "-4", "-o", "address", "show", "dev", "svcctl0"]) == "")
                #expect(try !lab.node.tool(["ipset", "save"]).contains("add "))
                withExtendedLifetime((connection, another)) {}
            }
        }

        /// Datagrams have no end: they go elsewhere at once.
        @Test func datagramsGoElsewhereAtOnce() throws {
            let lab = try Lab(pods: 2)
            let servers = try lab.startServers(transport: .udp, families: [.ipv4])
            defer { for server in servers { server.stop() } }
            let dns = Service.test(
                "dns", clusterIPs: [Self.address], transport: .udp, endpoints: ["10.244.1.2", "10.244.1.3"])
            var only = dns
            only.endpoints.removeFirst()
            try Desired(services: [dns], node: Self.node).observing(in: lab.node) { [only] reconciliation in
                for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
                _ = try reconciliation.apply()
                let flows = try (0..<2).map { _ in try UDPFlow(from: lab.client, to: Self.address, port: 80) }
                #expect(Set(UDPFlow.probe(flows).map(\.server)) == ["pod1", "pod2"])
                let changes = try Self.replace(dns, only, &reconciliation)
                #expect(changes.removed == 1 && !changes.udp.departures.isEmpty)
                #expect(reconciliation.backend.attentionPeriod == nil)
                #expect(try Self.servers(in: lab.node).filter { $0.contains(Self.first) } == [])
                _ = try FlowCleanup.run(after: changes.udp, ServicePlans([only], node: Self.node))
                #expect(UDPFlow.probe(flows).map(\.server) == ["pod2", "pod2"])
            }
        }
    }
}
