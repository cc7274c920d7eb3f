import Dataplane
import DataplaneConformance
import DataplaneTestKit
import Glibc
import IPSet
import Links
import NetAddress
import ServiceModel
import ServicePlan
import Testing

@testable import IPVSBackend

extension WithKernel {
    /// What cannot be done is said, and what must not be reached is not.
    @Suite struct RefusalTests {
        @Test func missingSchedulersAreNamed() throws {
            let namespace = try NetworkNamespace("schedulers")
            let error = #expect(throws: BackendError.self) {
                try namespace.run {
                    var backend = IPVSBackend(options: LayoutOptions())
                    try backend.ensureSchedulers(["wrr", "nosuch"])
                }
            }
            #expect(error?.kind == .unsupported)
            #expect(error?.message == "the kernel lacks a scheduler of IPVS (module ip_vs_nosuch)")
            let both = #expect(throws: BackendError.self) {
                try namespace.run {
                    var backend = IPVSBackend(options: LayoutOptions())
                    try backend.ensureSchedulers(["absent", "nosuch"])
                }
            }
            #expect(both?.message.contains("schedulers of IPVS (module ip_vs_absent, ip_vs_nosuch)") == true)
            #expect(try namespace.tool(["ipvsadm", "-S", "-n"]) == "")
        }

        @Test func thisKernelHasEverything() throws {
            try NetworkNamespace("kernel").run {
                var backend = IPVSBackend(options: LayoutOptions())
                try backend.checkKernel()
                try backend.ensureSchedulers(Set(IPVSBackend.schedulers.map(\.kernelName)))
            }
        }

        /// A set that is full is enlarged, and keeps what it has. Ours are full only after a million elements.
        @Test func fullSetsAreEnlarged() throws {
            let namespace = try NetworkNamespace("full")
            try namespace.tool(["ipset", "create", "SMALL", "hash:ip", "maxelem", "2"])
            try namespace.run {
                var backend = IPVSBackend(options: LayoutOptions())
                let addresses: [IPAddress] = (1...9).map { IPAddress(ipv4: 0x0a00_0000 + $0) }
                try backend.applySets(addresses.map { .add(SetElement(.address($0)), to: "SMALL") })
            }
            let saved = try namespace.tool(["ipset", "save", "SMALL"]).split(separator: "\n")
            #expect(saved.count == 10)
            #expect(saved.first?.contains("maxelem 16") == true, "\(saved)")
            // The temporary one is gone.
            #expect(try namespace.tool(["ipset", "list", "-n"]) == "SMALL\n")
        }

        /// Semantics 32: service addresses are the node's own, and what listens on all of its addresses is not reached by
        /// them. They answer ping.
        @Test func noPortOfTheNodeIsReached() throws {
            let lab = try Lab(pods: 1)
            let servers =
                try lab.startServers()
                + [("0.0.0.0" as IPAddress, TransportProtocol.tcp), ("0.0.0.0", .udp), ("::", .tcp)].map {
                    try EchoServer(in: lab.node, address: $0.0, port: 9999, transport: $0.1, name: "node")
                }
            defer { for server in servers { server.stop() } }
            let service = Service.test(
                "web", clusterIPs: ["10.96.0.10", "fd00:96::10"], endpoints: ["10.244.1.2", "fd00:244:1::2"]
            ) { $0.externalIPs = ["203.0.113.7"] }
            try Desired(services: [service]).observing(in: lab.node) { reconciliation in
                for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
                _ = try reconciliation.apply()
            }
            let addresses: [IPAddress] = ["10.96.0.10", "fd00:96::10", "203.0.113.7"]
            for client in [lab.client, lab.node, lab.pods[0].namespace] {
                for address in addresses {
                    #expect(Client.probe(from: client, to: address, port: 80).server == "pod1")
                    #expect(Client.probe(from: client, to: address, port: 9999) == .refused)
                }
                // Who sends a datagram that this very node refuses is told at once.
                let datagram = Client.probe(from: client, to: "10.96.0.10", port: 9999, transport: .udp)
                #expect(datagram == (client === lab.node ? .unreachable(EPERM) : .refused))
            }
            for address in [Lab.nodeAddresses.ipv4, Lab.nodeAddresses.ipv6] {
                #expect(Client.probe(from: lab.client, to: address, port: 9999).server == "node")
            }
            #expect(
                Client.probe(from: lab.client, to: Lab.nodeAddresses.ipv4, port: 9999, transport: .udp).server == "node"
            )
            for address in addresses {
                let isAnswered = try lab.client.run { try Ping.isAnswered(address) }
                #expect(isAnswered, "\(address)")
            }
        }
    }
}
