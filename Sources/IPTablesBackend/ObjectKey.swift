public import NetAddress
public import XTables

/// Names one kernel object of ours, or something that others have put among ours.
public enum ObjectKey: Hashable, Sendable {
    /// A chain, with the rules that belong to it alone.
    case chain(IPFamily, XTTable, String)
    /// One rule of a chain that services share.
    case entry(EntryKey)
    /// The jump from a base chain, which is everybody's, to a chain of ours.
    case jump(IPFamily, XTTable, String)
    /// A rule that has no place where it is, by its handle.
    case stray(IPFamily, XTTable, String, UInt64)

    public var family: IPFamily {
        switch self {
        case .chain(let family, _, _), .jump(let family, _, _), .stray(let family, _, _, _): family
        case .entry(let key): key.family
        }
    }
}

/// Names a rule by what it matches.
public struct EntryKey: Hashable, Sendable {
    let family: IPFamily
    let list: SharedChain
    /// Nil for a node port, and for a rule that leads to a part of a list.
    let address: IPAddress?
    /// Nil for a rule about a whole address, or more.
    let transport: TransportProtocol?
    /// The port, or the number of the part.
    let number: UInt16

    /// What a rule of a shared chain stands for; nil for one that no service has there.
    init?(_ rule: XTRule, _ place: SharedPlace, _ family: IPFamily) {
        var address: IPAddress?
        var transport: TransportProtocol?
        var number: UInt16?
        for match in rule.matches {
            switch match {
            case .destination(let block, inverted: false) where block.prefixLength == family.addressBits:
                address = block.address
            case .destinationPort(let known, let port): (transport, number) = (known, port)
            case .destinationLowBits(let part, count: SharedChain.partBits): number = UInt16(part)
            case .comment: break
            case .addressType(source: false, isLocal: false) where place.list == .clusterIPs: break
            default: return nil
            }
        }
        self.init(family, place.list, address, transport, number ?? 0)
        let isComplete =
            switch place.list {
            case .services, .refusedServices: address != nil && transport != nil
            case .nodePorts, .refusedNodePorts: address == nil && transport != nil
            case .clusterIPs: address != nil && number == nil
            case .serviceParts, .refusedServiceParts, .clusterIPParts:
                address == nil && transport == nil && number != nil
            }
        guard isComplete, rule.target != nil, place.list.parts == nil || part == place.part else { return nil }
    }

    init(
        _ family: IPFamily, _ list: SharedChain, _ address: IPAddress?, _ transport: TransportProtocol?,
        _ number: UInt16
    ) {
        self.family = family
        self.list = list
        self.address = address
        self.transport = transport
        self.number = number
    }

    private var part: Int { SharedChain.part(of: address) }
    /// The chain that the rule is in.
    var chainName: String { list.chainName(part: part) }
    /// The same as a key.
    var chainKey: ObjectKey { .chain(family, list.table, chainName) }
}

extension EntryKey: Comparable {
    /// The order in which entries are printed, and made in an empty kernel.
    public static func < (left: EntryKey, right: EntryKey) -> Bool {
        if left.family != right.family { return left.family < right.family }
        if left.list != right.list { return left.list.rawValue < right.list.rawValue }
        switch (left.address, right.address) {
        case (let one?, let other?) where one != other: return one < other
        case (nil, _?): return true
        case (_?, nil): return false
        default: break
        }
        let (one, other) = (left.transport?.rawValue ?? 0, right.transport?.rawValue ?? 0)
        return one != other ? one < other : left.number < right.number
    }
}

/// What an object holds.
public enum ObjectValue: Hashable, Sendable {
    case chain([ChainRule])
    case rule(ChainRule)
}

extension ChainRule {
    /// Whether the rule says that its chain is ours. Somebody may have changed all of it but its comment.
    var isMark: Bool { hasComment(startingWith: Layout.markPrefix) }

    /// Whether the rule is one by which a base chain leads to ours.
    var isJumpOfOurs: Bool { isMark && destination.map(ChainName.isGiven) == true }
}
