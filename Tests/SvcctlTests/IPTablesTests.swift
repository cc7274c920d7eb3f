import DataplaneTestKit
import Foundation
import Testing

/// `--backend iptables` as a user meets it.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct IPTablesTests {
    private static let backend = ["--backend", "iptables"]
    private static let cluster = backend + [Svcctl.cluster] + Svcctl.clusterNode + ["--log-level", "error"]

    private static func saved(in namespace: NetworkNamespace) throws -> [String] {
        try ["iptables-nft-save", "ip6tables-nft-save"].flatMap { tool in
            try namespace.tool([tool]).split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
                .map { line in line.hasPrefix(":") ? String(line.prefix { $0 != "[" }) : line }
        }
    }

    /// Each section goes to the tool that its first line names, and gives what `apply` makes.
    @Test func dryRunLoadsToWhatApplyMakes() throws {
        let loaded = try NetworkNamespace("loaded")
        let text = try loaded.svcctlWithoutNetlink(["apply", "--dry-run"] + Self.cluster)
        #expect(text.status == 0)
        let start = try #require(text.output.range(of: "# ip6tables-nft-restore --noflush\n"))
        #expect(text.output.hasPrefix("# iptables-nft-restore --noflush\n"))
        let parts = [String(text.output[..<start.lowerBound]), String(text.output[start.lowerBound...])]
        let tools = ["iptables-nft-restore", "ip6tables-nft-restore"]
        for (tool, part) in zip(tools, parts) { try loaded.tool([tool, "--noflush"], input: part) }
        let applied = try NetworkNamespace("applied")
        #expect(try applied.svcctl(["apply"] + Self.cluster).status == 0)
        #expect(try Self.saved(in: loaded) == Self.saved(in: applied))
        let second = try loaded.svcctl(["apply"] + Self.cluster)
        #expect(second.output == "nothing to change: 9 services, 21 frontends\n")

        let json = try loaded.svcctl(["apply", "--dry-run", "-o", "json"] + Self.cluster)
        let sections = try #require(JSONText.object(json.output)["sections"] as? [[String: String]])
        #expect(sections.map { $0["command"] } == tools.map { "\($0) --noflush" })
        #expect(
            sections.map { "# \($0["command"] ?? "")\n" + ($0["input"] ?? "") }.joined() == text.output)
    }

    @Test func theWholeWay() throws {
        let namespace = try NetworkNamespace("way")
        let files = try Files(["web.json": Sample.web])
        let arguments = Self.backend + [files["web.json"]]
        #expect(
            try namespace.svcctl("status", "--backend", "iptables").output == "svcctl has no rules in this kernel\n")
        #expect(try namespace.svcctl(["diff"] + arguments).status == 1)
        let applied = try namespace.svcctl(["apply"] + arguments)
        #expect(applied.status == 0)
        #expect(applied.output.hasPrefix("iptables: 1 service, 4 frontends; "))
        let generation = try namespace.generation()
        #expect(try namespace.svcctl(["apply"] + arguments).output == "nothing to change: 1 service, 4 frontends\n")
        #expect(try namespace.generation() == generation)
        #expect(try namespace.svcctl(["diff"] + arguments).status == 0)
        // Which backend's rules there are need not be said.
        let status = try namespace.svcctl("status").output
        #expect(status.hasPrefix("backend iptables, 4 frontends\n"))
        #expect(status.contains("10.244.1.2:8080, 10.244.1.3:8080"))

        // The jump that a firewall's reload took away is one line, and comes back.
        try namespace.tool(["iptables-nft", "-t", "nat", "-F", "PREROUTING"])
        let difference = try namespace.svcctl(["diff"] + arguments)
        #expect(difference.status == 1)
        #expect(
            difference.output
                == "+ iptables -t nat -A PREROUTING -m comment --comment \"svcctl: services\" -j SVCCTL-SERVICES\n")
        #expect(try namespace.svcctl(["apply"] + arguments).status == 0)
        #expect(try namespace.svcctl(["diff"] + arguments).status == 0)

        let removed = try namespace.svcctl("cleanup")
        #expect(removed.status == 0)
        #expect(removed.output.contains("chains and jumps of iptables"))
        #expect(try Self.saved(in: namespace).allSatisfy { !$0.contains("SVCCTL") })
        #expect(try namespace.svcctl("cleanup").output == "nothing to remove\n")
    }

    /// Semantics 63: who changes the backend has one set of rules, not two.
    @Test func oneBackendAtATime() throws {
        let namespace = try NetworkNamespace("switch")
        let files = try Files(["web.json": Sample.web])
        #expect(try namespace.svcctl("apply", files["web.json"]).status == 0)
        let before = try namespace.svcctl(["diff"] + Self.backend + [files["web.json"]])
        #expect(before.status == 1 && before.output.contains("\n- table ip svcctl\n"), "\(before)")
        let toIPTables = try namespace.svcctl(["apply"] + Self.backend + [files["web.json"]])
        #expect(toIPTables.status == 0)
        #expect(toIPTables.errors.contains("the rules of --backend nftables were removed"))
        #expect(try !namespace.ruleset().contains("table ip svcctl"))
        #expect(try Self.saved(in: namespace).contains { $0.contains("SVCCTL") })
        #expect(try namespace.svcctl(["diff"] + Self.backend + [files["web.json"]]).status == 0)
        // Rules of its own that are right do not hide those of another backend.
        try namespace.nft(try Svcctl.run("apply", "--dry-run", files["web.json"]).output)
        let both = try namespace.svcctl(["diff"] + Self.backend + [files["web.json"]])
        #expect(both.status == 1 && both.output.hasPrefix("- table ip svcctl\n"), "\(both)")
        let toNFTables = try namespace.svcctl("apply", files["web.json"])
        #expect(toNFTables.status == 0)
        #expect(toNFTables.errors.contains("the rules of --backend iptables were removed"))
        #expect(try Self.saved(in: namespace).allSatisfy { !$0.contains("SVCCTL") })
        #expect(try namespace.svcctl("diff", files["web.json"]).status == 0)
    }

    /// What iptables cannot hold is refused by every command that would need it, and nothing is changed.
    @Test(arguments: ["check", "apply", "diff"]) func unavailableSchedulers(_ command: String) throws {
        let namespace = try NetworkNamespace("refused")
        let definitions = Sample.web.replacing(
            "\"name\": \"shop/web\"", with: "\"name\": \"shop/web\", \"scheduler\": \"maglev\"")
        #expect(definitions.contains("maglev"))
        let generation = try namespace.generation()
        let result = try namespace.svcctl([command] + Self.backend + ["-"], input: definitions)
        #expect(result.status == 65)
        #expect((result.output + result.errors).contains("scheduler maglev is not available with --backend iptables"))
        #expect(try namespace.generation() == generation)
        #expect(try namespace.svcctl("check", "-", input: definitions).status == 0)
    }

    @Test func foreignChains() throws {
        let namespace = try NetworkNamespace("foreign")
        try namespace.tool(["iptables-nft", "-t", "nat", "-N", "SVCCTL-SERVICES"])
        try namespace.tool(["iptables-nft", "-t", "nat", "-A", "SVCCTL-SERVICES", "-j", "ACCEPT"])
        let generation = try namespace.generation()
        for command in ["apply", "diff"] {
            let result = try namespace.svcctl([command] + Self.backend + ["-"], input: Sample.web)
            #expect(result.status == 74)
            #expect(
                result.errors.hasPrefix("svcctl: the chain SVCCTL-SERVICES of `iptables -t nat` is there, but was not"))
        }
        #expect(try namespace.svcctl("cleanup").output == "nothing to remove\n")
        #expect(try namespace.generation() == generation)
    }

    /// `check --node` names policies and rules of others that stop connections, or take them before us.
    @Test func whatIsInTheWay() throws {
        let namespace = try NetworkNamespace("way")
        let check = ["check", "--node"] + Self.backend + ["-"]
        #expect(try namespace.svcctl(["apply"] + Self.backend + ["-"], input: Sample.web).status == 0)
        let clean = try namespace.svcctl(check, input: Sample.web)
        #expect(clean.status == 0)
        #expect(!clean.output.contains("this node"), "\(clean.output)")
        for command in [
            "-P FORWARD DROP", "-A OUTPUT -m comment --comment mine -j REJECT",
            "-t nat -I PREROUTING -p tcp -j REDIRECT",
            "-t nat -A OUTPUT -j ACCEPT", "-t raw -A PREROUTING -j DROP", "-A FORWARD -s 10.9.9.9 -j DROP",
        ] {
            try namespace.tool(["sh", "-c", "iptables-nft \(command)"])
        }
        let result = try namespace.svcctl(check, input: Sample.web)
        #expect(result.status == 0)
        let warnings = result.output.split(separator: "\n").filter { $0.contains("this node") }
        #expect(warnings.count == 4, "\(result.output)")
        for part in [
            "the chain FORWARD of the table ip filter has the policy drop", "the table ip raw stops what", "`-j DROP`",
            "`-m comment --comment mine -j REJECT --reject-with icmp-port-unreachable`",
            "the chain PREROUTING of the table ip nat has the rule `(",
        ] {
            #expect(warnings.contains { $0.contains(part) }, "\(part)")
        }
        #expect(try namespace.svcctlWithoutPrivilege(check, input: Sample.web).status == 77)
    }

    /// Tables made by nft stop packets of both families, and may translate them first.
    @Test func whatTablesOfNftHaveInTheWay() throws {
        let namespace = try NetworkNamespace("inet")
        let check = ["check", "--node"] + Self.backend + ["-"]
        #expect(try namespace.svcctl(["apply"] + Self.backend + ["-"], input: Sample.web).status == 0)
        try namespace.nft(
            """
            table inet firewall {
                chain forward { type filter hook forward priority 10; policy drop; tcp dport 22 accept; }
                chain output { type filter hook output priority 0; ip daddr 10.9.9.9 drop; counter reject; }
                chain input { type filter hook input priority 0; policy drop; }
                chain early { type nat hook prerouting priority -150; tcp dport 80 dnat ip to 10.9.9.9; accept; }
                chain late { type nat hook prerouting priority -90; tcp dport 80 dnat ip to 10.9.9.9; }
                chain uncalled { drop; }
            }
            table ip6 mine {
                chain early { type nat hook output priority -101; tcp dport 80 redirect to :8080; }
            }
            table inet asleep {
                flags dormant;
                chain forward { type filter hook forward priority 0; policy drop; }
            }
            table bridge other {
                chain forward { type filter hook forward priority 0; policy drop; }
            }

            """)
        let result = try namespace.svcctl(check, input: Sample.web)
        #expect(result.status == 0)
        let warnings = result.output.split(separator: "\n").filter { $0.contains("this node") }
        #expect(warnings.count == 4, "\(result.output)")
        for part in [
            "the chain forward of the table inet firewall has the policy drop",
            "the chain output of the table inet firewall stops what gets as far as its rule",
            "the chain early of the table inet firewall has the rule",
            "the chain early of the table ip6 mine has the rule",
        ] {
            #expect(warnings.contains { $0.contains(part) }, "\(part)")
        }
    }

    /// Tables of the older iptables are named, whatever is done.
    @Test func olderTables() throws {
        let namespace = try NetworkNamespace("older")
        let made = try namespace.toolResult(["iptables-legacy", "-t", "nat", "-A", "OUTPUT", "-j", "ACCEPT"])
        // Not every kernel has them.
        guard made.status == 0 else { return }
        for command in ["apply", "diff"] {
            let result = try namespace.svcctl([command] + Self.backend + ["-"], input: Sample.web)
            #expect(result.status == 0)
            #expect(result.errors.contains("iptables-legacy: nat"), "\(result.errors)")
        }
    }

    @Test func noPrivilege() throws {
        let namespace = try NetworkNamespace("unprivileged")
        let result = try namespace.svcctlWithoutPrivilege(["apply"] + Self.backend + ["-"], input: Sample.web)
        #expect(result.status == 77)
        #expect(result.errors.contains("--dry-run shows them without"))
    }

    @Test func capabilities() throws {
        let text = try Svcctl.run("backends").output
        #expect(text.contains("BACKEND iptables"))
        for feature in ["scheduler roundRobin", "scheduler sourceHash", "scheduler maglev"] {
            #expect(text.split(separator: "\n").contains { $0.hasPrefix("\(feature) ") && $0.contains(" no ") })
        }
        #expect(text.contains("ip_list_tot"))
        #expect(
            try Svcctl.run("trace", "--backend", "iptables", "--from", "10.0.0.1", "--to", "10.0.0.2:80").status == 64)
    }
}
