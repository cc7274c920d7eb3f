import DataplaneConformance
import Dataplane
import DataplaneTestKit
import NetAddress
import ServiceModel
import Testing

/// Which chains are ours, whatever has been done to them.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct OwnershipTests {
    /// The name of a service's chain of a kind.
    static func chain(_ kind: String, in namespace: NetworkNamespace) throws -> String {
        let declared = try Stock.saved(.ipv4, in: namespace).first { $0.hasPrefix(":SVCCTL-\(kind)-") }
        return String(try #require(declared).dropFirst().prefix { $0 != " " })
    }

    /// No rule leads to the chain that tells who answers UDP, so that its mark is all that makes it ours, apart from what
    /// it holds.
    @Test func aLostMarkIsPutBack() throws {
        let namespace = try NetworkNamespace("mark")
        let service = Service.test(
            "dns", clusterIPs: ["10.96.0.53"], transport: .udp, endpoints: ["10.244.1.2", "10.244.1.3"])
        let desired = Desired(services: [service])
        try desired.apply(in: namespace)
        let saved = try Stock.saved(in: namespace)
        let chain = try Self.chain("UDP", in: namespace)
        try namespace.tool(["iptables-nft", "-t", "nat", "-D", chain, "1"])
        #expect(try desired.differences(in: namespace).map { $0.prefix(2) } == ["+ "])
        try desired.apply(in: namespace)
        #expect(try Stock.saved(in: namespace) == saved)
    }

    /// A chain that a hook calls is none of ours, whatever its name.
    @Test func hookedChainsAreForeign() throws {
        let namespace = try NetworkNamespace("hooked")
        try namespace.nft(
            """
            table ip nat {
                chain SVCCTL-SERVICES { type nat hook prerouting priority -100; }
            }

            """)
        let error = #expect(throws: BackendError.self) {
            try Desired(services: [ConvergenceTests.web]).apply(in: namespace)
        }
        #expect(error?.kind == .foreign)
    }
}
