import DataplaneTestKit
import NetAddress
import Testing

@testable import XTables

/// Rules of every kind, as iptables prints them.
struct XTCase: Sendable, CustomTestStringConvertible {
    /// Where the kernel allows the rule: a table, and a base chain from which its chain must be reached.
    var table = XTTable.nat
    var rule: XTRule
    var text: String
    var testDescription: String { text }

    init(_ table: XTTable, _ matches: [XTMatch], _ target: XTTarget?, _ text: String) {
        self.table = table
        rule = XTRule(matches, target)
        self.text = text
    }

    init(_ matches: [XTMatch], _ target: XTTarget, _ text: String) { self.init(.nat, matches, target, text) }

    init(_ matches: [XTMatch], _ text: String) { self.init(.nat, matches, nil, text) }

    static func block(_ text: String) -> CIDR { CIDR(text) ?? CIDR(IPAddress(ipv4: 0)) }

    static func cases(_ family: IPFamily) -> [XTCase] { (family == .ipv4 ? ipv4 : ipv6) + both(family) }

    private static let ipv4: [XTCase] = [
        XTCase(
            [.sourceIsDestination],
            "-m bpf --bytecode \"6,32 0 0 12,7 0 0 0,32 0 0 16,29 0 1 0,6 0 0 1,6 0 0 0\""),
        XTCase([.destinationLowBits(17, count: 6)], .jump("OTHER"), "-d 0.0.0.17/0.0.0.63 -j OTHER"),
        XTCase([.destinationLowBits(255, count: 8)], "-d 0.0.0.255/0.0.0.255"),
        XTCase([.destinationLowBits(0, count: 1)], "-d 0.0.0.0/0.0.0.1"),
        XTCase([.source(block("10.0.0.0/8"))], "-s 10.0.0.0/8"),
        XTCase([.source(block("10.128.0.0/9"), inverted: true)], "! -s 10.128.0.0/9"),
        XTCase([.source(block("192.0.2.7/32"))], "-s 192.0.2.7/32"),
        XTCase([.source(block("0.0.0.0/1"))], "-s 0.0.0.0/1"),
        XTCase([.source(block("192.0.2.6/31"))], "-s 192.0.2.6/31"),
        XTCase([.destination(block("10.1.16.0/20"))], "-d 10.1.16.0/20"),
        XTCase([.destination(block("10.1.0.0/16"), inverted: true)], "! -d 10.1.0.0/16"),
        XTCase([.destination(block("10.1.2.0/24"))], "-d 10.1.2.0/24"),
        XTCase(
            [
                .comment("default/web:http"), .destinationPort(.tcp, 80), .destination(block("10.96.0.10/32")),
                .source(block("10.244.0.0/16"), inverted: true), .transport(.tcp),
                .inputInterface("cni0", isPrefix: false),
            ], .jump("OTHER"),
            "! -s 10.244.0.0/16 -d 10.96.0.10/32 -i cni0 -p tcp -m comment --comment \"default/web:http\" -m tcp "
                + "--dport 80 -j OTHER"),
        XTCase(
            [.transport(.tcp), .comment("x")], .redirect(IPAddress(ipv4: 0x0af4_0002), 8080),
            "-p tcp -m comment --comment x -j DNAT --to-destination 10.244.0.2:8080"),
        XTCase([.source(block("0.0.0.0/0")), .destination(block("0.0.0.0/0"))], .accept, "-j ACCEPT"),
        XTCase(.filter, [], .reject, "-j REJECT --reject-with icmp-port-unreachable"),
        XTCase(
            [.connectionsAbove(5, maskLength: 32)],
            "-m connlimit --connlimit-above 5 --connlimit-mask 32 --connlimit-saddr"),
        XTCase(
            [.connectionsAbove(0, maskLength: 23)],
            "-m connlimit --connlimit-above 0 --connlimit-mask 23 --connlimit-saddr"),
        XTCase(
            [.recentCheck(name: "SEP-1", seconds: 10800, reap: true)],
            "-m recent --rcheck --seconds 10800 --reap --name SEP-1 --mask 255.255.255.255 --rsource"),
        XTCase(
            [.recentCheck(name: "SEP-1", seconds: 5, reap: false)],
            "-m recent --rcheck --seconds 5 --name SEP-1 --mask 255.255.255.255 --rsource"),
        XTCase(
            [.recentCheck(name: "SEP-1", seconds: 0, reap: false)],
            "-m recent --rcheck --name SEP-1 --mask 255.255.255.255 --rsource"),
        XTCase(
            [.recentSet(name: "SEP-1"), .transport(.udp)], .redirect(IPAddress(ipv4: 0x0af4_0002), 53),
            "-p udp -m recent --set --name SEP-1 --mask 255.255.255.255 --rsource -j DNAT --to-destination "
                + "10.244.0.2:53"),
    ]

    private static let ipv6: [XTCase] = [
        XTCase(
            [.connectionIsRedirected, .sourceIsDestination],
            "-m conntrack --ctstate DNAT -m bpf --bytecode \"18,32 0 0 8,7 0 0 0,32 0 0 24,29 0 13 0,"
                + "32 0 0 12,7 0 0 0,32 0 0 28,29 0 9 0,32 0 0 16,7 0 0 0,32 0 0 32,29 0 5 0,"
                + "32 0 0 20,7 0 0 0,32 0 0 36,29 0 1 0,6 0 0 1,6 0 0 0\""),
        XTCase([.destinationLowBits(0x11, count: 6)], .jump("OTHER"), "-d ::11/::3f -j OTHER"),
        XTCase([.destinationLowBits(0xff, count: 3)], "-d ::7/::7"),
        XTCase([.destinationLowBits(0, count: 8)], "-d ::/::ff"),
        XTCase([.source(block("fd00::/8"))], "-s fd00::/8"),
        XTCase([.source(block("fd00::/64"), inverted: true)], "! -s fd00::/64"),
        XTCase([.source(block("fd00::/61"))], "-s fd00::/61"),
        XTCase([.destination(block("fd00:0:0:1::5/128"))], "-d fd00:0:0:1::5/128"),
        XTCase([.destination(block("fd00::/127"), inverted: true)], "! -d fd00::/127"),
        XTCase([.destination(block("::ffff:10.0.0.1/128"))], "-d ::ffff:10.0.0.1/128"),
        XTCase(
            [.destination(block("::/0")), .destinationPort(.udp, 53)], .return, "-p udp -m udp --dport 53 -j RETURN"),
        XTCase(
            [.transport(.tcp)], .redirect(IPAddress(ipv6: 0xfd00_0000_0000_0000, 2), 8080),
            "-p tcp -j DNAT --to-destination [fd00::2]:8080"),
        XTCase(.filter, [], .reject, "-j REJECT --reject-with icmp6-port-unreachable"),
        XTCase(
            [.connectionsAbove(5, maskLength: 128)],
            "-m connlimit --connlimit-above 5 --connlimit-mask 128 --connlimit-saddr"),
        XTCase(
            [.connectionsAbove(9, maskLength: 57)],
            "-m connlimit --connlimit-above 9 --connlimit-mask 57 --connlimit-saddr"),
        XTCase(
            [.recentCheck(name: "SEP-1", seconds: 10800, reap: true)],
            "-m recent --rcheck --seconds 10800 --reap --name SEP-1 --mask "
                + "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource"),
        XTCase(
            [.recentSet(name: "SEP-1")],
            "-m recent --set --name SEP-1 --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource"),
    ]

    private static func both(_ family: IPFamily) -> [XTCase] {
        interfacesAndPorts + marksAndConnections + ratesAndTexts + targets + sets + ipvs(family)
    }

    private static let interfacesAndPorts: [XTCase] = [
        XTCase([], ""),
        XTCase([.inputInterface("cni0")], "-i cni0"),
        XTCase([.inputInterface("veth", isPrefix: true)], "-i veth+"),
        XTCase([.inputInterface("veth", isPrefix: true, inverted: true)], "! -i veth+"),
        XTCase([.inputInterface("abcdefghijklmno", inverted: true)], "! -i abcdefghijklmno"),
        XTCase([.inputInterface("abcdefghijklmn", isPrefix: true)], "-i abcdefghijklmn+"),
        XTCase([.transport(.tcp)], "-p tcp"),
        XTCase([.transport(.udp)], "-p udp"),
        XTCase([.transport(.sctp)], "-p sctp"),
        XTCase([.destinationPort(.tcp, 80)], "-p tcp -m tcp --dport 80"),
        XTCase([.destinationPort(.udp, 53)], "-p udp -m udp --dport 53"),
        XTCase([.destinationPort(.sctp, 65535)], "-p sctp -m sctp --dport 65535"),
        XTCase(
            [.addressType(source: false, isLocal: true), .destinationPort(.tcp, 30080), .transport(.tcp)],
            .jump("OTHER"), "-p tcp -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j OTHER"),
        XTCase([.addressType(source: false, isLocal: true)], "-m addrtype --dst-type LOCAL"),
        XTCase([.addressType(source: false, isLocal: false)], "-m addrtype ! --dst-type LOCAL"),
        XTCase([.addressType(source: true, isLocal: true)], "-m addrtype --src-type LOCAL"),
        XTCase([.addressType(source: true, isLocal: false)], "-m addrtype ! --src-type LOCAL"),
    ]

    private static let marksAndConnections: [XTCase] = [
        XTCase([.mark(0x4000, mask: 0x4000)], "-m mark --mark 0x4000/0x4000"),
        XTCase([.mark(0x4000, mask: 0x4000, inverted: true)], .return, "-m mark ! --mark 0x4000/0x4000 -j RETURN"),
        XTCase([.mark(0, mask: 0x8000_0001)], "-m mark --mark 0x0/0x80000001"),
        XTCase([.mark(7, mask: .max)], "-m mark --mark 0x7"),
        XTCase([.connectionIsNew], "-m conntrack --ctstate NEW"),
        XTCase([.connectionIsRedirected], "-m conntrack --ctstate DNAT"),
        XTCase(
            .filter, [.connectionIsNew, .destinationPort(.tcp, 80), .comment("a b")], .drop,
            "-p tcp -m conntrack --ctstate NEW -m tcp --dport 80 -m comment --comment \"a b\" -j DROP"),
        XTCase([.statistic(probability: 0x4000_0000)], "-m statistic --mode random --probability 0.50000000000"),
        XTCase([.statistic(probability: 715_827_883)], "-m statistic --mode random --probability 0.33333333349"),
        XTCase([.statistic(probability: 1)], "-m statistic --mode random --probability 0.00000000047"),
        XTCase([.statistic(probability: 0x8000_0000)], "-m statistic --mode random --probability 1.00000000000"),
        XTCase(
            [.statistic(probability: 0x7fff_ffff)], .jump("OTHER"),
            "-m statistic --mode random --probability 0.99999999953 -j OTHER"),
    ]

    private static let ratesAndTexts: [XTCase] = [
        XTCase(
            [.rateAbove(perSecond: 10, burst: 5, name: "web", expireMilliseconds: 10000)],
            "-m hashlimit --hashlimit-above 10/sec --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name web "
                + "--hashlimit-htable-expire 10000"),
        XTCase(
            [.rateAbove(perSecond: 7, burst: 200, name: "web2", expireMilliseconds: 1000)],
            "-m hashlimit --hashlimit-above 7/sec --hashlimit-burst 200 --hashlimit-mode srcip --hashlimit-name web2"),
        XTCase(
            [.rateAbove(perSecond: 3000, burst: 1, name: "web3", expireMilliseconds: 60000)],
            "-m hashlimit --hashlimit-above 3003/sec --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name web3 "
                + "--hashlimit-htable-expire 60000"),
        XTCase([.comment("plain_word-1")], "-m comment --comment plain_word-1"),
        XTCase([.comment("")], "-m comment --comment \"\""),
        XTCase([.comment("it's \"so\" \\ here")], "-m comment --comment \"it\\'s \\\"so\\\" \\\\ here\""),
        XTCase([.comment("é – ü")], "-m comment --comment \"é – ü\""),
        XTCase(
            [.comment("x\n-A OTHER -j DROP")], .accept, "-m comment --comment \"x-A OTHER -j DROP\" -j ACCEPT"),
        XTCase(
            [.comment(String(repeating: "é", count: 200))],
            "-m comment --comment \"\(String(repeating: "é", count: 127))\""),
        XTCase([.comment("# $(true) ;")], "-m comment --comment \"# $(true) ;\""),
    ]

    private static let targets: [XTCase] = [
        XTCase([], .jump("OTHER"), "-j OTHER"),
        XTCase([], .goto("OTHER"), "-g OTHER"),
        XTCase([], .accept, "-j ACCEPT"),
        XTCase([], .return, "-j RETURN"),
        XTCase(.filter, [], .drop, "-j DROP"),
        XTCase([], .setMark(0x4000, mask: 0x4000), "-j MARK --set-xmark 0x4000/0x4000"),
        XTCase([], .setMark(0, mask: 0x4000), "-j MARK --set-xmark 0x0/0x4000"),
        XTCase([], .setMark(0x4000, mask: 0), "-j MARK --set-xmark 0x4000/0x0"),
        XTCase([], .setMark(1, mask: .max), "-j MARK --set-xmark 0x1/0xffffffff"),
        XTCase([], .masquerade(isRandom: false), "-j MASQUERADE"),
        XTCase(
            [.mark(0x4000, mask: 0x4000)], .masquerade(isRandom: true),
            "-m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully"),
    ]

    private static let sets: [XTCase] = [
        XTCase([.set("WEB", [.destination, .destination])], .jump("OTHER"), "-m set --match-set WEB dst,dst -j OTHER"),
        XTCase([.set("WEB", [.source, .destination], inverted: true)], "-m set ! --match-set WEB src,dst"),
        XTCase(
            .filter, [.set("RANGES", [.destination, .destination, .source]), .transport(.tcp)], .return,
            "-p tcp -m set --match-set RANGES dst,dst,src -j RETURN"),
        XTCase(
            [.set("RANGES", [.source, .source, .source, .destination, .source, .destination])],
            "-m set --match-set RANGES src,src,src,dst,src,dst"),
        XTCase(
            [.set("WEB", [.destination, .destination]), .set("RANGES", [.source])],
            "-m set --match-set WEB dst,dst -m set --match-set RANGES src"),
        XTCase(
            .mangle, [.comment("x")], .mapMark(set: "WEB", [.destination, .destination]),
            "-m comment --comment x -j SET --map-set WEB dst,dst --map-mark"),
        XTCase(.mangle, [], .mapMark(set: "RANGES", [.source]), "-j SET --map-set RANGES src --map-mark"),
        XTCase(
            .mangle, [.mark(1, mask: 1)], .setMark(2, mask: 3), "-m mark --mark 0x1/0x1 -j MARK --set-xmark 0x2/0x3"),
    ]

    private static func ipvs(_ family: IPFamily) -> [XTCase] {
        let address = family == .ipv4 ? "10.96.0.10" : "fd00::a"
        let whole = block("\(address)/\(family.addressBits)")
        let addresses = family == .ipv4 ? "10.96.0.0/12" : "fd00::/108"
        return [
            XTCase([.ipvs(IPVSMatch())], "-m ipvs --ipvs"),
            XTCase([.ipvs(IPVSMatch(isOutside: true))], "-m ipvs ! --ipvs"),
            XTCase([.ipvs(IPVSMatch(transport: .sctp, isOutside: true))], "-m ipvs --vproto 132"),
            XTCase([.ipvs(IPVSMatch(address: whole))], "-m ipvs --vaddr \(address)"),
            XTCase([.ipvs(IPVSMatch(address: block(addresses)))], "-m ipvs --vaddr \(addresses)"),
            XTCase([.ipvs(IPVSMatch(direction: .original))], "-m ipvs --vdir ORIGINAL"),
            XTCase([.ipvs(IPVSMatch(direction: .reply))], "-m ipvs --vdir REPLY"),
            XTCase([.ipvs(IPVSMatch(method: .masquerade))], "-m ipvs --vmethod MASQ"),
            XTCase([.ipvs(IPVSMatch(method: .tunnel))], "-m ipvs --vmethod IPIP"),
            XTCase(
                [
                    .ipvs(
                        IPVSMatch(
                            transport: .tcp, address: whole, port: 80, direction: .original, method: .direct))
                ], .jump("OTHER"),
                "-m ipvs --vproto 6 --vaddr \(address) --vport 80 --vdir ORIGINAL --vmethod GATE -j OTHER"),
        ]
    }
}

extension XTCase {
    /// The sets that cases refer to, by the numbers that the kernel gives the first sets of a namespace.
    static let indices = SetIndices(["WEB": 0, "RANGES": 1])

    /// Makes the sets, in this order.
    static func makeSets(_ family: IPFamily, in namespace: NetworkNamespace) throws {
        let family = "family \(family == .ipv4 ? "inet" : "inet6")"
        try namespace.tool(
            ["ipset", "restore"],
            input: "create WEB hash:ip,port \(family) skbinfo\ncreate RANGES hash:ip,port,net \(family) skbinfo\n")
    }

    /// Whether this kernel and this machine's tools have what the case takes.
    var isPossible: Bool {
        if text.contains("-m ipvs") { return Self.hasIPVS }
        return rule.setNames.isEmpty || Self.hasSets
    }

    static let hasSets = has("-m set --match-set WEB dst,dst")
    static let hasIPVS = has("-m ipvs --ipvs")

    private static func has(_ match: String) -> Bool {
        guard let namespace = try? NetworkNamespace("probe") else { return false }
        if match.contains("WEB") {
            guard (try? makeSets(.ipv4, in: namespace)) != nil else { return false }
        }
        let command = ["iptables-nft", "-A", "INPUT"] + match.split(separator: " ").map(String.init)
        return (try? namespace.tool(command)) != nil
    }
}
