import Dataplane
import DataplaneConformance
import DataplaneTestKit
import NetAddress
import ServiceModel
import Testing

@testable import IPVSBackend

extension WithKernel {
    /// The interface that has the service addresses, in a node that is not as one would wish.
    @Suite struct DeviceTests {
        /// A node without IPv6 serves what it can: IPv6 is set on for our interface, and for no other.
        @Test(.enabled(if: KernelModules.hasIPv6, "the kernel has no IPv6")) func nodesWithoutIPv6() throws {
            let namespace = try NetworkNamespace("no-ipv6")
            try namespace.sysctl("net.ipv6.conf.all.disable_ipv6", "1")
            func isServed() throws {
                let changes = try Ours.desired.apply(in: namespace)
                #expect(!changes.isEmpty)
                #expect(try Ours.desired.differences(in: namespace) == [])
                let addresses = try namespace.tool(["ip", "-o", "address", "show", "dev", "svcctl0"])
                #expect(addresses.contains("10.96.0.10/32") && addresses.contains("fd00:96::10/128"), "\(addresses)")
                #expect(try namespace.sysctl("net.ipv6.conf.lo.disable_ipv6") == "1")
            }
            try isServed()
            // Who sets it off everywhere takes the addresses away.
            try namespace.sysctl("net.ipv6.conf.all.disable_ipv6", "1")
            try isServed()
        }

        /// A kernel that was started without IPv6 serves what it can, and has no differences for the rest.
        @Test(.enabled(if: !KernelModules.hasIPv6, "the kernel has IPv6; hack/vm --append ipv6.disable=1 has none"))
        func kernelsWithoutIPv6() throws {
            let namespace = try NetworkNamespace("no-ipv6")
            try Desired(services: []).apply(in: namespace)
            for services in [[Ours.web], [], [Ours.web]] {
                let desired = Desired(services: services)
                let changes = try desired.apply(in: namespace)
                #expect(!changes.isEmpty)
                #expect(try desired.differences(in: namespace) == [])
            }
            let addresses = try namespace.tool(["ip", "-o", "address", "show", "dev", "svcctl0"])
            #expect(addresses.contains("10.96.0.10/32") && !addresses.contains("inet6"), "\(addresses)")
            let servers = try namespace.tool(["ipvsadm", "-S", "-n"])
            #expect(servers.contains("-a -t 10.96.0.10:80 -r 10.244.1.2:8080") && !servers.contains("["), "\(servers)")
            #expect(try Ours.removeAll(in: namespace) > 30)
        }

        /// Everything of ours goes, and what is not is named.
        @Test func cleaningUpBesideAForeignInterface() throws {
            let namespace = try NetworkNamespace("replaced")
            try Ours.desired.apply(in: namespace)
            try namespace.ip(["link delete svcctl0", "link add svcctl0 type bridge", "link set svcctl0 up"])
            try namespace.tool(["ipvsadm", "-A", "-t", "192.0.2.10:80", "-s", "rr"])
            let error = #expect(throws: BackendError.self) { try Ours.removeAll(in: namespace) }
            #expect(error?.kind == .foreign)
            for word in ["svcctl0", "was not made by svcctl", "all else"] {
                #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
            }
            #expect(try namespace.tool(["ipvsadm", "-S", "-n"]) == "-A -t 192.0.2.10:80 -s rr\n")
            #expect(try namespace.tool(["ipset", "save"]) == "")
            for family in IPFamily.allCases {
                #expect(try !Stock.saved(family, in: namespace).contains { $0.contains("SVCCTL") })
            }
            #expect(try namespace.tool(["ip", "-o", "link"]).contains("svcctl0"))
        }
    }
}
