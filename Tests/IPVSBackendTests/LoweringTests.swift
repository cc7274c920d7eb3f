import Dataplane
import DataplaneConformance
import NetAddress
import ServiceModel
import ServicePlan
import Testing

@testable import IPVSBackend

/// Which objects a service gives, written as a comparison writes them. No kernel is asked.
@Suite struct LoweringTests {
    static let pods: [IPAddress] = ["10.244.1.2", "10.244.1.3"]

    /// A node with two addresses that serve node ports, one for each family, and some that do not.
    static let node: NodeFacts = {
        var node = NodeFacts(nodeName: "node-a")
        node.addresses = ["192.0.2.10", "2001:db8::10", "127.0.0.1", "::1", "fe80::1"]
        return node
    }()

    /// Without `ipset add SVCCTL-` and `ipvsadm`, which all would begin with.
    static func lines(_ service: Service, _ node: NodeFacts = node) -> [String] {
        let backend = IPVSBackend(options: LayoutOptions(node: node))
        var state = DeltaTracker<ObjectKey, ObjectValue>()
        for plan in ServicePlans([service], node: node).services { state.want(backend.fragment(for: plan)) }
        return IPVSBackend.differences(in: state).map { line in
            var text = line.object[...]
            for prefix in ["ipset add SVCCTL-", "ipvsadm "] where text.hasPrefix(prefix) {
                text = text.dropFirst(prefix.count)
            }
            return String(text)
        }
    }

    /// The lines of virtual and real servers alone.
    static func servers(_ service: Service) -> [String] {
        lines(service).filter { $0.hasPrefix("-A ") || $0.hasPrefix("-a ") }
    }

    @Test func clusterIPsOfBothFamilies() {
        let service = Service.test(
            "web", clusterIPs: ["10.96.0.10", "fd00:96::10"], endpoints: Self.pods + ["fd00:244:1::2"])
        #expect(
            Self.lines(service) == [
                "4-ADDRESSES 10.96.0.10",
                "4-SERVICES 10.96.0.10,tcp:80 comment \"test/web:web cluster IP\"",
                "6-ADDRESSES fd00:96::10",
                "6-SERVICES fd00:96::10,tcp:80 comment \"test/web:web cluster IP\"",
                "ip address add 10.96.0.10/32 dev svcctl0",
                "ip address add fd00:96::10/128 dev svcctl0",
                "-A -t 10.96.0.10:80 -s wrr",
                "-a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1",
                "-a -t 10.96.0.10:80 -r 10.244.1.3:8080 -m -w 1",
                "-A -t [fd00:96::10]:80 -s wrr",
                "-a -t [fd00:96::10]:80 -r [fd00:244:1::2]:8080 -m -w 1",
            ])
    }

    /// Semantics 18 and 19: who is masqueraded stands in sets.
    @Test func masquerading() {
        let service = Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: ["10.244.1.2"]) {
            $0.externalIPs = ["203.0.113.7"]
        }
        func marks(_ change: (inout NodeFacts) -> Void) -> [String] {
            var node = Self.node
            change(&node)
            return Self.lines(service, node).filter { $0.contains("MASQUERADED") || $0.contains("CLUSTER-IPS") }
        }
        #expect(marks { _ in } == ["4-MASQUERADED 203.0.113.7,tcp:80"])
        #expect(
            marks { $0.clusterCIDRs = [CIDR("10.244.0.0/16")].compactMap(\.self) } == [
                "4-CLUSTER-IPS 10.96.0.10,tcp:80", "4-MASQUERADED 203.0.113.7,tcp:80",
            ])
        #expect(
            marks { $0.masqueradeAll = true } == [
                "4-MASQUERADED 10.96.0.10,tcp:80", "4-MASQUERADED 203.0.113.7,tcp:80",
            ])
    }

    /// Semantics 26: without endpoints there is an address, and no virtual server.
    @Test func nothingServes() {
        #expect(
            Self.lines(.test("web", clusterIPs: ["10.96.0.10"], nodePort: 30080)) == [
                "4-ADDRESSES 10.96.0.10",
                "4-NODE-PORTS 192.0.2.10,tcp:30080 comment \"test/web:web node port\"",
                "4-REFUSED 10.96.0.10,tcp:80 comment \"test/web:web cluster IP\"",
                "4-REFUSED 192.0.2.10,tcp:30080 comment \"test/web:web node port\"",
                "ip address add 10.96.0.10/32 dev svcctl0",
            ])
    }

    /// Semantics 20 and 27: outside connections are dropped, and the node's own clients find all endpoints by a mark.
    @Test func policyLocalWithoutLocalEndpoints() {
        let service = Service.test("web", endpoints: ["10.244.2.2"]) {
            $0.externalIPs = ["203.0.113.7"]
            $0.loadBalancerIPs = ["203.0.113.8"]
            $0.externalTrafficPolicy = .local
            $0.endpoints[0].nodeName = "node-b"
        }
        let lines = Self.lines(service)
        // Each address has one of its own, so that connections to one that goes can be told from others.
        let marks = lines.filter { $0.hasPrefix("-A -f") }.compactMap { UInt32($0.split(separator: " ")[2]) }
        #expect(marks.count == 2 && marks.allSatisfy { $0 >> 28 == 5 && $0 & 3 == 0 })
        let elements = lines.filter { $0.hasPrefix("4-NODE-CLIENTS") }
        #expect(
            elements.map { $0.split(separator: " skbmark ").first ?? "" } == [
                "4-NODE-CLIENTS 203.0.113.7,tcp:80 comment \"test/web:web external IP\"",
                "4-NODE-CLIENTS 203.0.113.8,tcp:80 comment \"test/web:web external IP\"",
            ])
        for mark in marks { #expect(elements.count { $0.hasSuffix(" skbmark 0x" + String(mark, radix: 16)) } == 1) }
        #expect(
            lines.filter { !elements.contains($0) } == [
                "4-ADDRESSES 203.0.113.7", "4-ADDRESSES 203.0.113.8",
                "4-DROPPED 203.0.113.7,tcp:80 comment \"test/web:web external IP\"",
                "4-DROPPED 203.0.113.8,tcp:80 comment \"test/web:web external IP\"",
                "4-SERVICES 203.0.113.7,tcp:80 comment \"test/web:web external IP\"",
                "4-SERVICES 203.0.113.8,tcp:80 comment \"test/web:web external IP\"",
                "ip address add 203.0.113.7/32 dev svcctl0", "ip address add 203.0.113.8/32 dev svcctl0",
            ] + marks.flatMap { ["-A -f \($0) -s wrr", "-a -f \($0) -r 10.244.2.2:8080 -m -w 1"] })
    }

    /// What the node's own clients get at a node port is the same at all of the node's addresses.
    @Test func nodePortsWithPolicyLocal() {
        let service = Service.test("web", nodePort: 30080, endpoints: ["10.244.2.2"]) {
            $0.externalTrafficPolicy = .local
            $0.endpoints[0].nodeName = "node-b"
        }
        var node = Self.node
        node.addresses?.insert("198.51.100.4")
        let lines = Self.lines(service, node)
        let marks = lines.filter { $0.contains("NODE-CLIENTS") }.compactMap { $0.split(separator: " ").last }
        #expect(marks.count == 2 && Set(marks).count == 1)
    }

    /// This node's endpoints for the outside, all of them for the node's own clients; internal policy Local has no marks.
    @Test func policyLocal() {
        let service = Service.test("web", clusterIPs: ["10.96.0.10"], endpoints: Self.pods) {
            $0.externalIPs = ["203.0.113.7"]
            $0.externalTrafficPolicy = .local
            $0.internalTrafficPolicy = .local
            $0.endpoints[0].nodeName = "node-a"
            $0.endpoints[1].nodeName = "node-b"
        }
        let servers = Self.servers(service)
        #expect(servers.filter { $0.contains(" -t 203.0.113.7:80 -r") }.map { $0.contains("10.244.1.2") } == [true])
        #expect(servers.filter { $0.contains(" -t 10.96.0.10:80 -r") }.map { $0.contains("10.244.1.2") } == [true])
        #expect(servers.count { $0.hasPrefix("-a -f ") } == 2)
        #expect(!Self.lines(service).contains { $0.contains("MASQUERADED") })
    }

    /// A mark tells the family and the protocol, as the kernel does not.
    @Test func marksTellWhatTheyCarry() {
        #expect(NodeClientMark.mark(1, .udp) == 0x5000_0005)
        #expect(NodeClientMark.mark(.max, .sctp) == 0x5fff_fffe)
        #expect(
            TransportProtocol.allCases.map { NodeClientMark.transport(NodeClientMark.mark(7, $0)) } == [
                .tcp, .udp, .sctp,
            ])
        #expect(NodeClientMark.isOurs(0x5000_0000) && !NodeClientMark.isOurs(0x6000_0000) && !NodeClientMark.isOurs(1))
        #expect(NodeClientMark.transport(NodeClientMark.probe) == nil)
    }

    /// Semantics 5 to 7: each of the node's addresses has virtual servers of its own.
    @Test func nodePorts() {
        var service = Service.test(
            "web", clusterIPs: ["10.96.0.10", "fd00:96::10"], nodePort: 30080, endpoints: ["10.244.1.2", "fd00::2"])
        var node = Self.node
        node.addresses?.insert("198.51.100.4")
        func ports(_ node: NodeFacts) -> [String] {
            Self.lines(service, node).filter { $0.contains("30080") && !$0.contains("MASQUERADED") }
        }
        #expect(
            ports(node) == [
                "4-NODE-PORTS 192.0.2.10,tcp:30080 comment \"test/web:web node port\"",
                "4-NODE-PORTS 198.51.100.4,tcp:30080 comment \"test/web:web node port\"",
                "6-NODE-PORTS 2001:db8::10,tcp:30080 comment \"test/web:web node port\"",
                "-A -t 192.0.2.10:30080 -s wrr", "-a -t 192.0.2.10:30080 -r 10.244.1.2:8080 -m -w 1",
                "-A -t 198.51.100.4:30080 -s wrr", "-a -t 198.51.100.4:30080 -r 10.244.1.2:8080 -m -w 1",
                "-A -t [2001:db8::10]:30080 -s wrr", "-a -t [2001:db8::10]:30080 -r [fd00::2]:8080 -m -w 1",
            ])
        node.nodePortAddresses = [CIDR("192.0.2.0/24")].compactMap(\.self)
        #expect(ports(node).allSatisfy { $0.contains("192.0.2.10") } && ports(node).count == 3)
        node.addresses = nil
        #expect(ports(node) == [])
        // The node's own addresses are no addresses of a service.
        service.clusterIPs = []
        #expect(!Self.lines(service).contains { $0.contains("ADDRESSES") || $0.hasPrefix("ip ") })
    }

    /// Semantics 34: nobody else but those listed; what is denied is denied although it is listed.
    @Test func sourceLists() {
        let service = Service.test("web", clusterIPs: ["10.96.0.10", "fd00:96::10"], endpoints: ["10.244.1.2"]) {
            $0.allowedSources = ["192.0.2.0/24", "10.0.0.7/32"].compactMap { CIDR($0) }
            $0.deniedSources = ["0.0.0.0/0", "::/0", "192.0.2.9/32"].compactMap { CIDR($0) }
        }
        let lists = ["RESTRICTED", "SOURCES", "DENIED"]
        #expect(
            Self.lines(service).filter { line in lists.contains { line.contains($0) } } == [
                "4-DENIED 10.96.0.10,tcp:80,0.0.0.0/1", "4-DENIED 10.96.0.10,tcp:80,128.0.0.0/1",
                "4-RESTRICTED 10.96.0.10,tcp:80",
                "4-SOURCES 10.96.0.10,tcp:80,10.0.0.7", "4-SOURCES 10.96.0.10,tcp:80,192.0.2.0/24",
                "6-DENIED fd00:96::10,tcp:80,::/1", "6-DENIED fd00:96::10,tcp:80,8000::/1",
                "6-RESTRICTED fd00:96::10,tcp:80",
            ])
    }
}
