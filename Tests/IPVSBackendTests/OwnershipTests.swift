import Dataplane
import DataplaneConformance
import DataplaneTestKit
import Glibc
import IPVSBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Ours and others'.
enum Ours {
    static let web = Service.test(
        "web", clusterIPs: ["10.96.0.10", "fd00:96::10"], endpoints: ["10.244.1.2", "fd00::2"])
    static let desired = Desired(services: [web])

    static func removeAll(in namespace: NetworkNamespace) throws -> Int {
        try namespace.run {
            var backend = IPVSBackend(options: LayoutOptions())
            return try backend.removeAll().removed
        }
    }
}

/// Where there is nothing of ours, looking for it loads nothing. Here a kernel without IPVS is the better test.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces, "needs root"))
struct AbsenceTests {
    private static var modules: Set<String> {
        Set(["/proc/net/ip_vs", "/sys/module/ip_set", "/sys/module/ip_vs"].filter { access($0, F_OK) == 0 })
    }

    @Test func lookingLoadsNothing() throws {
        let namespace = try NetworkNamespace("empty")
        // Where there is IPVS, other tests ask for it meanwhile.
        _ = KernelFeature.hasIPVS
        let before = Self.modules
        let (removed, hasStatus) = try namespace.run {
            var backend = IPVSBackend(options: LayoutOptions())
            let removed = try backend.removeAll()
            return (removed, try backend.status() != nil)
        }
        #expect(removed.isEmpty && !hasStatus)
        // Other tests have sets.
        #expect(Self.modules.subtracting(before).isSubset(of: ["/sys/module/ip_set"]))
    }

    @Test(.enabled(if: !KernelFeature.hasIPVS, "the kernel has ip_vs"))
    func theMissingModuleIsNamed() throws {
        let namespace = try NetworkNamespace("empty")
        let error = #expect(throws: BackendError.self) { try Ours.desired.apply(in: namespace) }
        #expect(error?.kind == .unsupported)
        #expect(error?.message.contains("ip_vs") == true, "\(error?.message ?? "")")
        let links = try namespace.tool(["ip", "-o", "link"])
        #expect(!links.contains("svcctl0"))
    }
}

extension WithKernel {
    /// What is not ours stays as it is.
    @Suite struct OwnershipTests {
        /// Commands, and what they read.
        private static let theirs = [
            (
                "ipvsadm -R",
                """
                -A -t 192.0.2.10:80 -s rr
                -a -t 192.0.2.10:80 -r 10.9.9.9:80 -m -w 1
                -A -f 7 -s wlc -p 60
                -a -f 7 -r 10.9.9.9:0 -g -w 1
                -A -u [2001:db8::10]:53 -s sh
                """
            ),
            (
                "ipset restore",
                """
                create THEIRS hash:ip
                add THEIRS 10.9.9.9
                create SVCCTL-4-MINE hash:ip,port
                add SVCCTL-4-MINE 10.9.9.9,tcp:80
                """
            ),
            (
                "ip -batch -",
                """
                link add theirs0 type dummy
                address add 192.0.2.10/24 dev theirs0
                """
            ),
            (
                "iptables-nft-restore",
                """
                *nat
                :POSTROUTING ACCEPT
                :THEIRS -
                -A POSTROUTING -s 10.9.9.9 -j THEIRS
                COMMIT
                *filter
                :SVCCTL-SERVICES -
                -A SVCCTL-SERVICES -j DROP
                COMMIT
                """
            ),
        ]

        @Test func othersStayAsTheyAre() throws {
            let namespace = try NetworkNamespace("beside")
            for (command, input) in Self.theirs {
                try namespace.tool(command.split(separator: " ").map(String.init), input: input + "\n")
            }
            func others() throws -> [String] {
                try Stock.state(in: namespace) + [namespace.tool(["ip", "-o", "address"])]
            }
            let before = try others()
            for services in [[Ours.web], [], [Ours.web]] {
                let desired = Desired(services: services)
                try desired.apply(in: namespace)
                #expect(try desired.differences(in: namespace) == [])
            }
            // By node ports, too, nothing is ours but what our set has.
            var node = NodeFacts(nodeName: "node-a")
            node.addresses = ["192.0.2.10"]
            var open = Ours.web
            open.ports[0].nodePort = 30080
            try Desired(services: [open], node: node).apply(in: namespace)
            let removed = try Ours.removeAll(in: namespace)
            #expect(removed > 30)
            let after = try others()
            // Tables of iptables are everybody's, and stay.
            #expect(Set(after).symmetricDifference(before).subtracting(["*mangle"]) == [])
            let second = try Ours.removeAll(in: namespace)
            #expect(second == 0)
        }

        /// The error names it, nothing is changed, and cleaning up leaves it alone.
        private func isReported(
            _ commands: [String], _ words: [String], removal: BackendError.Kind? = nil
        ) throws {
            let namespace = try NetworkNamespace("foreign")
            for command in commands {
                try namespace.tool(command.split(separator: " ").map { String($0).replacing("\u{a0}", with: " ") })
            }
            let before = try namespace.tool(["ip", "-o", "link"]) + Stock.saved(.ipv4, in: namespace).joined()
            let error = #expect(throws: BackendError.self) { try Ours.desired.apply(in: namespace) }
            #expect(error?.kind == .foreign)
            for word in words { #expect(error?.message.contains(word) == true, "\(error?.message ?? "")") }
            do {
                let removed = try Ours.removeAll(in: namespace)
                #expect(removed == 0 && removal == nil)
            } catch {
                #expect((error as? BackendError)?.kind == removal, "\(error)")
            }
            let after = try namespace.tool(["ip", "-o", "link"]) + Stock.saved(.ipv4, in: namespace).joined()
            #expect(after == before)
            #expect(try namespace.tool(["ipset", "save"]) == "")
        }

        @Test func foreignInterfaces() throws {
            let names = ["svcctl0", "was not made by svcctl", "ip link delete svcctl0"]
            try isReported(
                ["ip link add svcctl0 type dummy", "ip link set svcctl0 up"], names, removal: .foreign)
            try isReported(
                ["ip link add svcctl0 type bridge", "ip link set svcctl0 alias svcctl:\u{a0}service\u{a0}addresses"],
                names,
                removal: .foreign)
        }

        @Test func foreignChains() throws {
            try isReported(
                [
                    "iptables-nft -t nat -N SVCCTL_IPVS-POSTROUTING",
                    "iptables-nft -t nat -A SVCCTL_IPVS-POSTROUTING -s 10.9.9.9 -j ACCEPT",
                ], ["the chain SVCCTL_IPVS-POSTROUTING of `iptables -t nat`", "-X SVCCTL_IPVS-POSTROUTING"])
        }

        /// One that a process ended upon before it was ready.
        @Test func unfinishedInterfaces() throws {
            let namespace = try NetworkNamespace("unfinished")
            try namespace.tool(["ip", "link", "add", "svcctl0", "type", "dummy"])
            try Ours.desired.apply(in: namespace)
            #expect(try Ours.desired.differences(in: namespace) == [])
            let link = try namespace.tool(["ip", "-o", "link", "show", "dev", "svcctl0"])
            #expect(link.contains("NOARP,UP") && link.contains("svcctl: service addresses"))
        }

        /// It would be taken from its interface. Nothing is changed, and the sentence has a way out.
        @Test func addressesOfTheNode() throws {
            let namespace = try NetworkNamespace("hijacked")
            try namespace.ip([
                "link add eth0 type dummy", "link set eth0 up", "address add 10.96.0.10/24 dev eth0",
                "address add fd00:96::10/64 dev eth0 nodad",
            ])
            let error = #expect(throws: BackendError.self) { try Ours.desired.apply(in: namespace) }
            #expect(error?.kind == .refused)
            #expect(
                error?.message.hasPrefix("10.96.0.10, fd00:96::10 are the node's own on another interface") == true)
            #expect(try Ours.removeAll(in: namespace) == 0)
            #expect(try !namespace.tool(["ip", "-o", "link"]).contains("svcctl0"))
            // Those of kube-proxy's interface pass to ours.
            try namespace.ip(["link set eth0 down", "link set eth0 name kube-ipvs0", "link set kube-ipvs0 up"])
            try Ours.desired.apply(in: namespace)
            #expect(try Ours.desired.differences(in: namespace) == [])
        }
    }
}
