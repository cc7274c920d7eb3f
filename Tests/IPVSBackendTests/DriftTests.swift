import Dataplane
import DataplaneConformance
import DataplaneTestKit
import IPVSBackend
import NetAddress
import ServiceModel
import ServicePlan
import Testing

extension WithKernel {
    /// What others change of ours by stock tools is seen, and mended.
    @Suite struct DriftTests {
        private struct Vandalism: Sendable {
            var commands: [String]
            var isSeenAs: String

            init(_ commands: String..., isSeenAs: String) {
                self.commands = commands
                self.isSeenAs = isSeenAs
            }
        }

        private static let web = Service.test(
            "web", clusterIPs: ["10.96.0.10", "fd00:96::10"], nodePort: 30080,
            endpoints: ["10.244.1.2", "10.244.1.3", "fd00::2"]
        ) { $0.allowedSources = ["10.0.0.0/8", "fd00::/16"].compactMap { CIDR($0) } }

        private static let servers = [
            Vandalism("ipvsadm -D -t 10.96.0.10:80", isSeenAs: "+ ipvsadm -A -t 10.96.0.10:80 -s wrr"),
            Vandalism(
                "ipvsadm -d -t [fd00:96::10]:80 -r [fd00::2]:8080",
                isSeenAs: "+ ipvsadm -a -t [fd00:96::10]:80 -r [fd00::2]:8080 -m -w 1"),
            Vandalism(
                "ipvsadm -e -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 0",
                isSeenAs: "- ipvsadm -a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 0"),
            Vandalism(
                "ipvsadm -e -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1 -x 5 -y 2",
                isSeenAs: "- ipvsadm -a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1 -x 5 -y 2"),
            Vandalism(
                "ipvsadm -E -t 10.96.0.10:80 -s rr -p 60", isSeenAs: "- ipvsadm -A -t 10.96.0.10:80 -s rr -p 60"),
            Vandalism(
                "ipvsadm -a -t 10.96.0.10:80 -r 10.9.9.9:80 -m",
                isSeenAs: "- ipvsadm -a -t 10.96.0.10:80 -r 10.9.9.9:80 -m -w 1"),
            Vandalism("ipvsadm -A -u 10.96.0.10:81 -s rr", isSeenAs: "- ipvsadm -A -u 10.96.0.10:81 -s rr"),
            Vandalism("ipvsadm -A -f 1342177284 -s rr", isSeenAs: "- ipvsadm -A -f 1342177284 -s rr"),
            Vandalism(
                "ipvsadm -D -t 192.0.2.10:30080", isSeenAs: "+ ipvsadm -a -t 192.0.2.10:30080 -r 10.244.1.2:8080 -m"),
            Vandalism("ipvsadm -C", isSeenAs: "+ ipvsadm -a -t [2001:db8::10]:30080 -r [fd00::2]:8080 -m -w 1"),
        ]

        private static let sets = [
            Vandalism("ipset del SVCCTL-4-ADDRESSES 10.96.0.10", isSeenAs: "+ ipset add SVCCTL-4-ADDRESSES 10.96.0.10"),
            Vandalism(
                "ipset add SVCCTL-6-REFUSED fd00:96::10,tcp:80 comment mine",
                isSeenAs: "- ipset add SVCCTL-6-REFUSED fd00:96::10,tcp:80 comment \"mine\""),
            Vandalism(
                "ipset -exist add SVCCTL-4-SERVICES 10.96.0.10,tcp:80 comment mine",
                isSeenAs: "+ ipset add SVCCTL-4-SERVICES 10.96.0.10,tcp:80 comment \"test/web:web cluster IP\""),
            Vandalism(
                "ipset flush SVCCTL-4-NODE-PORTS",
                isSeenAs: "+ ipset add SVCCTL-4-NODE-PORTS 192.0.2.10,tcp:30080 comment \"test/web:web node port\""),
            Vandalism(
                "ipset add SVCCTL-4-SOURCES 10.96.0.10,tcp:80,10.9.0.0/16 nomatch",
                isSeenAs: "- ipset add SVCCTL-4-SOURCES (elements that svcctl does not make)"),
            Vandalism("ipset flush", isSeenAs: "+ ipset add SVCCTL-6-SOURCES fd00:96::10,tcp:80,fd00::/16"),
            // Rules look into what has the name, whatever it is.
            Vandalism(
                "ipset create small hash:ip,port maxelem 4 comment", "ipset swap small SVCCTL-4-SERVICES",
                "ipset destroy small", isSeenAs: "+ ipset create SVCCTL-4-SERVICES hash:ip,port family inet"),
            Vandalism(
                "ipset create counting hash:ip family inet6 maxelem 1048576 counters",
                "ipset swap counting SVCCTL-6-ADDRESSES", "ipset destroy counting",
                isSeenAs: "- ipset create SVCCTL-6-ADDRESSES (of another form)"),
            Vandalism(
                "iptables-nft -t mangle -F", "iptables-nft -t filter -F", "iptables-nft -t nat -F",
                "ipset destroy SVCCTL-4-SOURCES", "ipset create SVCCTL-4-SOURCES hash:net",
                isSeenAs: "- ipset create SVCCTL-4-SOURCES (of another form)"),
        ]

        private static let links = [
            Vandalism(
                "ip address del 10.96.0.10/32 dev svcctl0", isSeenAs: "+ ip address add 10.96.0.10/32 dev svcctl0"),
            Vandalism(
                "ip address add fd00:96::99/128 dev svcctl0 nodad",
                isSeenAs: "- ip address add fd00:96::99/128 dev svcctl0"),
            Vandalism("ip link set svcctl0 down", isSeenAs: "+ ip link set dev svcctl0 arp off up"),
            Vandalism("ip link del svcctl0", isSeenAs: "+ ip link add svcctl0 type dummy"),
            // The virtual servers cannot be told as ours then, and are found when they are made.
            Vandalism(
                "ip link del svcctl0", "ipvsadm -a -t 10.96.0.10:80 -r 10.9.9.9:80 -m",
                "ipvsadm -E -t [fd00:96::10]:80 -s rr", isSeenAs: "+ ip link add svcctl0 type dummy"),
        ]

        private static let chains = [
            Vandalism(
                "iptables-nft -t mangle -F SVCCTL_IPVS-SERVICES",
                isSeenAs: "+ iptables -t mangle -A SVCCTL_IPVS-SERVICES -m set --match-set SVCCTL-4-DENIED dst,dst,src"),
            Vandalism(
                "ip6tables-nft -t nat -D POSTROUTING 1", isSeenAs: "+ ip6tables -t nat -A POSTROUTING -m comment"),
            Vandalism(
                "iptables-nft -I SVCCTL_IPVS-FILTER -p tcp -j ACCEPT",
                isSeenAs: "- iptables -t filter -A SVCCTL_IPVS-FILTER -p tcp -j ACCEPT"),
            Vandalism(
                "ip6tables-nft -D SVCCTL_IPVS-FILTER 2",
                isSeenAs: "+ ip6tables -t filter -A SVCCTL_IPVS-FILTER -m set --match-set SVCCTL-6-REFUSED dst,dst"),
            Vandalism(
                "iptables-nft -t nat -N SVCCTL_IPVS-OLDER", isSeenAs: "- iptables -t nat -N SVCCTL_IPVS-OLDER"),
            Vandalism(
                "iptables-nft -A INPUT -m comment --comment svcctl:\u{a0}older -j SVCCTL_IPVS-FILTER",
                isSeenAs: "- iptables -t filter -A INPUT -m comment --comment \"svcctl: older\" -j SVCCTL_IPVS-FILTER"),
            Vandalism("nft flush ruleset", isSeenAs: "+ ip6tables -t mangle -N SVCCTL_IPVS-NODE-CLIENTS"),
        ]

        @Test func isSeenAndMended() throws {
            let namespace = try NetworkNamespace("mended")
            var node = NodeFacts(nodeName: "node-a")
            node.addresses = ["192.0.2.10", "2001:db8::10"]
            let desired = Desired(services: [Self.web], node: node)
            try desired.apply(in: namespace)
            let before = try Stock.state(in: namespace)
            for vandalism in Self.servers + Self.sets + Self.links + Self.chains {
                for command in vandalism.commands {
                    try namespace.tool(
                        command.split(separator: " ").map { String($0).replacing("\u{a0}", with: " ") })
                }
                try desired.observing(in: namespace) { reconciliation in
                    let lines = IPVSBackend.differences(in: reconciliation.state).map {
                        "\($0.change == .add ? "+" : "-") \($0.object)"
                    }
                    #expect(lines.contains { $0.hasPrefix(vandalism.isSeenAs) }, "\(vandalism): \(lines)")
                    let changes = try reconciliation.apply()
                    #expect(!changes.isEmpty)
                }
                #expect(try desired.differences(in: namespace) == [], "\(vandalism)")
            }
            let after = try Stock.state(in: namespace)
            #expect(Set(after).symmetricDifference(before).sorted() == [])
            #expect(after.count == before.count)
        }
    }
}
