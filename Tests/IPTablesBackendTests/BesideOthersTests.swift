import DataplaneConformance
import Dataplane
import DataplaneTestKit
import IPTablesBackend
import NetAddress
import ServiceModel
import Testing

/// Tables are shared: what others have there stays as it is, and what they do to it works.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct BesideOthersTests {
    private static let web = ConvergenceTests.web
    private static let other = ConvergenceTests.other

    /// As another agent would leave the tables.
    private static let theirs = """
        *filter
        :INPUT ACCEPT [0:0]
        :FORWARD DROP [0:0]
        :OUTPUT ACCEPT [0:0]
        :THEIRS - [0:0]
        :SVCCTL-MINE - [0:0]
        -A INPUT -i lo -j ACCEPT
        -A INPUT -p tcp -m tcp --dport 22 -j THEIRS
        -A FORWARD -m set --match-set absent src -j DROP
        -A FORWARD -j THEIRS
        -A THEIRS -s 10.0.0.0/8 -j ACCEPT
        -A SVCCTL-MINE -j DROP
        COMMIT
        *nat
        :PREROUTING ACCEPT [0:0]
        :INPUT ACCEPT [0:0]
        :OUTPUT ACCEPT [0:0]
        :POSTROUTING ACCEPT [0:0]
        :DOCKER - [0:0]
        -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
        -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
        -A DOCKER -i docker0 -j RETURN
        COMMIT

        """.replacing("-A FORWARD -m set --match-set absent src -j DROP\n", with: "")

    private static func isOurs(_ line: String) -> Bool { line.contains("SVCCTL-") && !line.contains("SVCCTL-MINE") }

    @Test(arguments: IPFamily.allCases) func othersStayAsTheyAre(_ family: IPFamily) throws {
        let namespace = try NetworkNamespace("beside")
        let input =
            family == .ipv4
            ? Self.theirs
            : Self.theirs.replacing("10.0.0.0/8", with: "fd00::/8")
                .replacing("172.17.0.0/16", with: "fd17::/64")
        try namespace.tool([Stock.restore(family)], input: input)
        try namespace.nft(
            """
            table inet other {
                chain pre { type nat hook prerouting priority -100; policy accept; tcp dport 1 accept; }
            }

            """)
        let before = try Stock.saved(family, in: namespace)
        let ruleset = try namespace.tool(["nft", "list", "table", "inet", "other"])
        for services in [[Self.web], [Self.web, Self.other], [], [Self.other]] {
            try Desired(services: services).apply(in: namespace)
            #expect(try Stock.saved(family, in: namespace).filter { !Self.isOurs($0) } == before)
            #expect(try Desired(services: services).differences(in: namespace) == [])
        }
        // Ours come first, and others' commands on the same chains work.
        let bases = ["-A PREROUTING", "-A POSTROUTING", "-A INPUT", "-A FORWARD"]
        for base in bases {
            let first = try Stock.saved(family, in: namespace).first { $0.hasPrefix(base) }
            #expect(first.map(Self.isOurs) == true, "\(base)")
        }
        let tool = Stock.tool(family)
        try namespace.tool([tool, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "9", "-j", "ACCEPT"])
        try namespace.tool([tool, "-t", "nat", "-D", "PREROUTING", "-p", "tcp", "--dport", "9", "-j", "ACCEPT"])
        let part = family == .ipv4 ? "SVCCTL-SERVICES-0B" : "SVCCTL-SERVICES-11"
        #expect(try namespace.tool([tool, "-t", "nat", "-L", part, "-n"]).contains("test/other:web"))
        try namespace.tool(
            [Stock.restore(family), "--noflush"], input: "*nat\n:MORE - [0:0]\n-A MORE -j RETURN\nCOMMIT\n")
        #expect(try Desired(services: [Self.other]).differences(in: namespace) == [])
        try namespace.tool([tool, "-t", "nat", "-F", "MORE"])
        try namespace.tool([tool, "-t", "nat", "-X", "MORE"])
        // Cleanup leaves exactly what was there.
        let removed = try Self.removeAll(in: namespace)
        #expect(removed > 20)
        #expect(try Stock.saved(family, in: namespace) == before)
        #expect(try namespace.tool(["nft", "list", "table", "inet", "other"]) == ruleset)
        #expect(try Self.removeAll(in: namespace) == 0)
    }

    private static func removeAll(in namespace: NetworkNamespace) throws -> Int {
        try namespace.run {
            var backend = IPTablesBackend(options: LayoutOptions())
            return try backend.removeAll().removed
        }
    }

    /// A chain of our name that somebody else has filled is reported with its first rule, and nothing is changed.
    @Test(arguments: ["SVCCTL-SERVICES", "SVCCTL-POSTROUTING"]) func foreignChainsAreReported(_ chain: String) throws {
        let namespace = try NetworkNamespace("foreign")
        try namespace.tool(["iptables-nft", "-t", "nat", "-N", chain])
        try namespace.tool(["iptables-nft", "-t", "nat", "-A", chain, "-s", "10.9.9.9", "-j", "ACCEPT"])
        let before = try Stock.saved(in: namespace)
        let generation = try ConvergenceTests.generation(namespace)
        let error = #expect(throws: BackendError.self) { try Desired(services: [Self.web]).apply(in: namespace) }
        #expect(error?.kind == .foreign)
        #expect(error?.message.contains("the chain \(chain) of `iptables -t nat`") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("`-s 10.9.9.9/32 -j ACCEPT`") == true)
        #expect(try Self.removeAll(in: namespace) == 0)
        #expect(try ConvergenceTests.generation(namespace) == generation)
        #expect(try Stock.saved(in: namespace) == before)
        // One that is empty harms nobody.
        try namespace.tool(["iptables-nft", "-t", "nat", "-F", chain])
        try Desired(services: [Self.web]).apply(in: namespace)
        #expect(try Desired(services: [Self.web]).differences(in: namespace) == [])
    }

    /// A chain of a base chain's name that is none is not taken for one.
    @Test func strangeBaseChainsAreReported() throws {
        let namespace = try NetworkNamespace("strange")
        try namespace.nft(
            """
            table ip nat {
                chain PREROUTING { type filter hook forward priority 0; policy accept; }
            }

            """)
        let error = #expect(throws: BackendError.self) { try Desired(services: [Self.web]).apply(in: namespace) }
        #expect(error?.kind == .foreign)
        #expect(error?.message.contains("chain PREROUTING of the table ip nat") == true)
    }
}
