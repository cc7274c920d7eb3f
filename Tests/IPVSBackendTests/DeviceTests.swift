import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPVSBackend
import NetAddress
import ServiceModel
import Testing

extension WithKernel {
    /// The interface that has the service addresses, in a node that is not as one would wish.
    @Suite struct DeviceTests {
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
