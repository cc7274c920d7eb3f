internal import NetAddress

/// The structures that matches and targets of the kernel take, as iptables 1.8.9 fills them.
///
/// Some end in a pointer that is the kernel's own: it is sent, and reads back, as zeros.
enum Extension {
    // MARK: Matches

    /// struct xt_sctp_info (linux/netfilter/xt_sctp.h): destination ports from and to, in host order, at 0; four times
    /// 3 bytes about chunk types, the first of which is 255 for none, at 268; flags at 284.
    static func sctp(destinationPort port: UInt16) -> [UInt8] {
        var info = Structure(byteCount: 292)
        info.put(port, at: 0)
        info.put(port, at: 2)
        for index in 0..<4 { info.put(0xff as UInt8, at: 268 + index * 3) }
        info.put(sctpDestinationPorts, at: 284)
        return info.bytes
    }

    /// struct xt_addrtype_info_v1 (linux/netfilter/xt_addrtype.h): masks of types of the source at 0 and of the
    /// destination at 2, flags at 4.
    static func addressType(_ source: Bool, _ isLocal: Bool) -> [UInt8] {
        var info = Structure(byteCount: 8)
        info.put(addressTypeLocal, at: source ? 0 : 2)
        if !isLocal { info.put(source ? addressTypeInvertsSource : addressTypeInvertsDestination, at: 4) }
        return info.bytes
    }

    /// struct xt_statistic_info (linux/netfilter/xt_statistic.h): mode 0, which is random, at 0; the probability at 4,
    /// and once more at 12, which means nothing in this mode and which iptables fills all the same. The last 8 bytes
    /// are the kernel's.
    static func statistic(_ probability: UInt32) -> [UInt8] {
        var info = Structure(byteCount: 24)
        info.put(probability, at: 4)
        info.put(probability, at: 12)
        return info.bytes
    }

    static let stateNew = connectionState(connectionStateNew)
    static let stateRedirected = connectionState(connectionStateRedirected)

    /// struct xt_conntrack_mtinfo3 (linux/netfilter/xt_conntrack.h): what is compared at 146, the states at 150.
    private static func connectionState(_ states: UInt16) -> [UInt8] {
        var info = Structure(byteCount: 164)
        info.put(connectionComparesState, at: 146)
        info.put(states, at: 150)
        return info.bytes
    }

    /// struct xt_bpf_info_v1 (linux/netfilter/xt_bpf.h): mode 0, which is bytecode, at 0; the number of instructions at
    /// 2; an unused descriptor at 4; 64 instructions of 8 bytes at 8. The last 8 bytes are the kernel's.
    static func sourceIsDestination(_ family: IPFamily) -> [UInt8] {
        var info = Structure(byteCount: 528)
        let program = BPFProgram.sourceIsDestination(family)
        info.put(UInt16(program.instructions.count), at: 2)
        for (index, instruction) in program.instructions.enumerated() {
            info.put(instruction.code, at: 8 + index * 8)
            info.put(instruction.ifTrue, at: 10 + index * 8)
            info.put(instruction.ifFalse, at: 11 + index * 8)
            info.put(instruction.operand, at: 12 + index * 8)
        }
        return info.bytes
    }

    /// `XT_RECENT_CHECK`, with `XT_RECENT_REAP`, `XT_RECENT_SET` (linux/netfilter/xt_recent.h).
    static let checking: UInt8 = 1
    static let reaping: UInt8 = 1 | 32
    static let setting: UInt8 = 2

    /// struct xt_recent_mtinfo_v1: seconds at 0, what to do at 8, 200 bytes of name at 10, which side (0 is the source)
    /// at 210, and at 212 a full mask, as `--mask` makes it, which iptables-save prints. (Without that option IPv4 gets
    /// 16 bytes too, of which the kernel uses 4.) iptables writes a name over the one that it would take by itself, and
    /// what that had more stays behind the zero.
    static func recent(_ name: String, _ action: UInt8, seconds: UInt32, _ family: IPFamily) -> [UInt8] {
        var info = Structure(byteCount: 228)
        info.put(seconds, at: 0)
        info.put(action, at: 8)
        info.put("DEFAULT".utf8, at: 10)
        info.put(name.utf8 + [0], at: 10)
        info.put(repeatElement(0xff, count: family.addressLength), at: 212)
        return info.bytes
    }

    /// struct xt_connlimit_info (linux/netfilter/xt_connlimit.h): the mask at 0, the count at 16, flags at 20, of which
    /// none means "above, by source". The last 8 bytes are the kernel's.
    static func connectionLimit(above count: UInt32, _ maskLength: Int, _ family: IPFamily) -> [UInt8] {
        var info = Structure(byteCount: 32)
        info.put(mask(maskLength, family.addressLength), at: 0)
        info.put(count, at: 16)
        return info.bytes
    }

    /// struct xt_hashlimit_mtinfo3 (linux/netfilter/xt_hashlimit.h): 255 bytes of name at 0; the period in microseconds
    /// at 256 and the burst at 264, 8 bytes each; mode at 272, gc interval and expiry in milliseconds at 284 and 288,
    /// the source's and destination's prefix lengths at 296 and 297. The last 8 bytes are the kernel's.
    static func rateLimit(
        period: UInt32, burst: UInt32, _ name: String, expire: UInt32, _ family: IPFamily
    ) -> [UInt8] {
        var info = Structure(byteCount: 312)
        info.put(name.utf8, at: 0)
        info.put(UInt64(period), at: 256)
        info.put(UInt64(burst), at: 264)
        info.put(hashlimitBySource | hashlimitAbove, at: 272)
        info.put(hashlimitCollects, at: 284)
        info.put(expire, at: 288)
        info.put(UInt8(family.addressBits), at: 296)
        info.put(UInt8(family.addressBits), at: 297)
        return info.bytes
    }

    /// struct xt_comment_info (linux/netfilter/xt_comment.h): 256 bytes of text.
    static func comment(_ text: String) -> [UInt8] {
        var info = Structure(byteCount: 256)
        info.put(text.utf8, at: 0)
        return info.bytes
    }

    // MARK: Targets

    /// struct xt_mark_tginfo2 (linux/netfilter/xt_mark.h): value and mask.
    static func setMark(_ value: UInt32, _ mask: UInt32) -> [UInt8] {
        var info = Structure(byteCount: 8)
        info.put(value, at: 0)
        info.put(mask, at: 4)
        return info.bytes
    }

    /// IPv4: struct nf_nat_ipv4_multi_range_compat, one range, its flags at 4. IPv6: struct nf_nat_range, the flags at
    /// 0 (linux/netfilter/nf_nat.h).
    static func masquerade(_ isRandom: Bool, _ family: IPFamily) -> [UInt8] {
        var info = Structure(byteCount: family == .ipv4 ? 20 : 40)
        if family == .ipv4 { info.put(1 as UInt32, at: 0) }
        if isRandom { info.put(natRandomFully, at: family == .ipv4 ? 4 : 0) }
        return info.bytes
    }

    /// struct nf_nat_range2 (linux/netfilter/nf_nat.h): flags at 0, the lowest and highest address at 4 and 20, the
    /// lowest and highest port at 36 and 38, in network order.
    static func redirect(_ address: IPAddress, _ port: UInt16) -> [UInt8] {
        var info = Structure(byteCount: 42)
        info.put(natAddressAndPort, at: 0)
        let bytes = address.networkBytes
        info.put(bytes, at: 4)
        info.put(bytes, at: 20)
        info.put(port.bigEndian, at: 36)
        info.put(port.bigEndian, at: 38)
        return info.bytes
    }

    /// struct ipt_reject_info, struct ip6t_reject_info: `IPT_ICMP_PORT_UNREACHABLE`, `IP6T_ICMP6_PORT_UNREACH`
    /// (linux/netfilter_ipv4/ipt_REJECT.h, linux/netfilter_ipv6/ip6t_REJECT.h).
    static func reject(_ family: IPFamily) -> [UInt8] {
        var info = Structure(byteCount: 4)
        info.put((family == .ipv4 ? 3 : 4) as UInt32, at: 0)
        return info.bytes
    }

    /// So many bytes of which the first bits are set.
    static func mask(_ bits: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { index in
            let covered = min(max(bits - index * 8, 0), 8)
            return UInt8(truncatingIfNeeded: 0xff00 >> covered)
        }
    }
}

/// `XT_SCTP_DEST_PORTS`.
private let sctpDestinationPorts: UInt32 = 2
/// `XT_ADDRTYPE_LOCAL`.
private let addressTypeLocal: UInt16 = 4
/// `XT_ADDRTYPE_INVERT_SOURCE`.
private let addressTypeInvertsSource: UInt32 = 1
/// `XT_ADDRTYPE_INVERT_DEST`.
private let addressTypeInvertsDestination: UInt32 = 2
/// `XT_CONNTRACK_STATE`.
private let connectionComparesState: UInt16 = 1
/// `XT_CONNTRACK_STATE_BIT(IP_CT_NEW)`.
private let connectionStateNew: UInt16 = 8
/// `XT_CONNTRACK_STATE_DNAT`.
private let connectionStateRedirected: UInt16 = 128
/// `XT_HASHLIMIT_HASH_SIP`.
private let hashlimitBySource: UInt32 = 4
/// `XT_HASHLIMIT_INVERT`.
private let hashlimitAbove: UInt32 = 16
/// The milliseconds after which the kernel looks for expired entries, where nothing is said.
private let hashlimitCollects: UInt32 = 1000
/// `NF_NAT_RANGE_PROTO_RANDOM_FULLY`.
private let natRandomFully: UInt32 = 16
/// `NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED`.
private let natAddressAndPort: UInt32 = 3
