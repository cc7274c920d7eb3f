public import NetAddress

/// A rule of iptables: what a packet must have, and what then happens to it.
///
/// Rules are kept in one form, so that two that the kernel cannot tell apart are equal, and what was written equals
/// what is read back: addresses come first, then the interface and the protocol, then all else in the order given; what
/// matches everything is left out; texts are cut to what the kernel holds, and lose what a restore file cannot say.
/// Each of `-s`, `-d`, `-i` and `-p` may come once.
public struct XTRule: Hashable, Sendable {
    public let matches: [XTMatch]
    /// What happens to a packet that matches; nil lets it go on.
    public let target: XTTarget?

    public init(_ matches: [XTMatch], _ target: XTTarget? = nil) {
        self.matches = Self.ordered(matches)
        self.target = target?.canonical
    }

    /// The protocol that `-p` names, by itself or before a port.
    public var transport: TransportProtocol? {
        for match in matches {
            switch match {
            case .transport(let transport), .destinationPort(let transport, _): return transport
            default: break
            }
        }
        return nil
    }

    /// The sets whose numbers it takes to write or read the rule.
    public var setNames: [String] {
        var names: [String] = []
        for case .set(let name, _, _) in matches { names.append(name) }
        if case .mapMark(let name, _)? = target { names.append(name) }
        return names
    }

    private static func ordered(_ matches: [XTMatch]) -> [XTMatch] {
        let matches = matches.compactMap(\.canonical)
        let ported = matches.contains { if case .destinationPort = $0 { true } else { false } }
        var ordered: [XTMatch] = []
        ordered.reserveCapacity(matches.count)
        for rank in 0..<XTMatch.lastRank {
            for match in matches where match.rank == rank { ordered.append(match) }
        }
        for match in matches where match.rank == XTMatch.lastRank { ordered.append(match) }
        // A port names its protocol.
        guard ported else { return ordered }
        return ordered.filter { match in
            guard case .transport(let transport) = match else { return true }
            return !ordered.contains { if case .destinationPort(transport, _) = $0 { true } else { false } }
        }
    }
}

/// What a packet must have, as iptables' extensions tell it.
public enum XTMatch: Hashable, Sendable {
    /// `-s 10.0.0.0/8`. The family is the table's.
    case source(CIDR, inverted: Bool = false)
    /// `-d 10.96.0.10/32`.
    case destination(CIDR, inverted: Bool = false)
    /// `-d 0.0.0.17/0.0.0.63`, in IPv6 `-d ::11/::3f`: the last bits of the destination, of which 1 to 8 count.
    case destinationLowBits(UInt8, count: Int)
    /// `-i cni0`, or `-i veth+` for all names that begin so. Names have 1 to 15 bytes.
    case inputInterface(String, isPrefix: Bool = false, inverted: Bool = false)
    /// `-p tcp`.
    case transport(TransportProtocol)
    /// `-p tcp -m tcp --dport 80`.
    case destinationPort(TransportProtocol, UInt16)
    /// `-m mark --mark 0x4000/0x4000`: packet mark & mask == value.
    case mark(UInt32, mask: UInt32, inverted: Bool = false)
    /// `-m addrtype --dst-type LOCAL`, or `! --src-type LOCAL`: the address is one of the node's own, or not.
    case addressType(source: Bool, isLocal: Bool)
    /// `-m statistic --mode random --probability 0.5`, in parts of 2³¹: 0x8000_0000 is always.
    case statistic(probability: UInt32)
    /// `-m conntrack --ctstate NEW`: the first packet of a connection.
    case connectionIsNew
    /// `-m conntrack --ctstate DNAT`: the connection was redirected. (There is no `--ctstatus` for that.)
    case connectionIsRedirected
    /// `-m bpf --bytecode …`: the packet goes to the very address that it comes from, which no other match can tell.
    case sourceIsDestination
    /// `-m recent --rcheck --seconds 10 --reap --rsource`: the list has the source, not longer ago than that; 0 is
    /// ever. With `reap` the kernel forgets older entries. Names have at most 199 bytes.
    case recentCheck(name: String, seconds: UInt32, reap: Bool)
    /// `-m recent --set --rsource`: puts the source on the list. Always matches.
    case recentSet(name: String)
    /// `-m connlimit --connlimit-above 5 --connlimit-mask 32 --connlimit-saddr`: sources that share so many leading
    /// bits have more connections than that. Each rule counts for itself.
    case connectionsAbove(UInt32, maskLength: Int)
    /// `-m hashlimit --hashlimit-above 10/sec --hashlimit-burst 5 --hashlimit-mode srcip`: the source comes faster.
    /// Rates are 1 to 1,000,000 and are kept as the time between packets in whole microseconds, so that only some of
    /// those above 1,000 can be told apart. Rules with the same name share a table, made with the first one's numbers.
    /// Names have at most 254 bytes.
    case rateAbove(perSecond: UInt32, burst: UInt32, name: String, expireMilliseconds: UInt32)
    /// `-m set --match-set SVCCTL-LOCAL dst,dst,src`: the packet's addresses and ports are in a set of ipset, each part
    /// compared with the source's or the destination's. 1 to 6 parts; names have at most 31 bytes.
    case set(String, [SetDirection], inverted: Bool = false)
    /// `-m ipvs --vaddr 10.96.0.10 --vport 80`.
    case ipvs(IPVSMatch)
    /// `-m comment --comment "default/web:http"`: at most 255 bytes, without control characters. Always matches.
    case comment(String)
}

/// What happens to a packet.
public enum XTTarget: Hashable, Sendable {
    /// `-j CHAIN`: to another chain, and back here when that ends.
    case jump(String)
    /// `-g CHAIN`: to another chain, for good.
    case goto(String)
    case accept
    case drop
    case `return`
    /// `-j MARK --set-xmark 0x4000/0x4000`: mark = (mark & ~mask) ^ value.
    case setMark(UInt32, mask: UInt32)
    /// `-j MASQUERADE --random-fully`. Allowed in `nat` below POSTROUTING alone.
    case masquerade(isRandom: Bool)
    /// `-j DNAT --to-destination 10.244.0.2:8080`. Allowed in `nat` below PREROUTING and OUTPUT alone; needs `-p`.
    case redirect(IPAddress, UInt16)
    /// `-j SET --map-set SVCCTL-MARKS dst,dst --map-mark`: the mark becomes what the set's element says, if there is one
    /// (skbinfo). Allowed in `mangle` alone.
    case mapMark(set: String, [SetDirection])
    /// `-j REJECT`: port unreachable. Allowed in `filter` alone.
    case reject
}
