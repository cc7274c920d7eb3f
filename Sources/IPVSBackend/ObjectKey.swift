public import IPSet
public import IPVS
public import NetAddress
public import XTables

/// Names one kernel object of ours, or something that others have put among ours.
public enum ObjectKey: Hashable, Sendable {
    /// The interface that has the service addresses.
    case device
    case address(IPAddress)
    case set(SetID)
    case element(SetID, SetElement.Key)
    /// Elements of a set of ours that none of ours is like.
    case strayElements(SetID)
    case chain(IPFamily, XTTable, String)
    /// The jump from a base chain, which is everybody's, to a chain of ours.
    case jump(IPFamily, XTTable, String)
    /// A rule that has no place where it is, by its handle.
    case strayRule(IPFamily, XTTable, String, UInt64)
    case virtualServer(VirtualServerID)
    case realServer(VirtualServerID, RealServerID)

    /// Whether a kernel that was started without IPv6 does not take it.
    var needsIPv6: Bool {
        switch self {
        case .address(let address): address.family == .ipv6
        case .virtualServer(let id), .realServer(let id, _): id.family == .ipv6
        default: false
        }
    }
}

/// What an object holds.
public enum ObjectValue: Hashable, Sendable {
    /// All there is to say of it is that it is there.
    case present
    /// An interface that is there and not set up.
    case down
    case set(SetSpec)
    case element(mark: SetElement.Mark?, name: String?)
    case rules([ChainRule])
    case virtualServer(VirtualServer)
    case realServer(RealServer)
}

extension ObjectValue? {
    var rules: [ChainRule] { if case .rules(let rules) = self { rules } else { [] } }
}
