public import NetAddress

/// A chain: a list of rules that others jump to, or that a hook of the packet path calls.
public struct Chain: Hashable, Sendable {
    public var family: IPFamily
    public var table: String
    public var name: String
    /// Where the packet path calls the chain; nil for a chain that is only jumped to.
    public var hook: Hook?

    public init(family: IPFamily, table: String, name: String, hook: Hook? = nil) {
        self.family = family
        self.table = table
        self.name = name
        self.hook = hook
    }

    /// What makes a chain a base chain. The policy is always accept.
    public struct Hook: Hashable, Sendable {
        public var kind: Kind
        public var point: Point
        /// Lower runs earlier. `NF_IP_PRI_NAT_DST` is -100, `NF_IP_PRI_NAT_SRC` 100 (linux/netfilter_ipv4.h).
        public var priority: Int32
        /// What happens to packets that no rule decided: always accept in chains of ours, anything in a foreign one.
        public var acceptsByDefault = true

        public init(kind: Kind, point: Point, priority: Int32) {
            self.kind = kind
            self.point = point
            self.priority = priority
        }
    }

    public enum Kind: String, Hashable, Sendable {
        case filter, nat, route
    }

    /// The netfilter hooks; the raw value is `enum nf_inet_hooks` (linux/netfilter.h).
    public enum Point: UInt32, Hashable, Sendable, CaseIterable {
        case prerouting = 0
        case input, forward, output, postrouting
    }
}

extension Chain.Point: CustomStringConvertible {
    public var description: String {
        switch self {
        case .prerouting: "prerouting"
        case .input: "input"
        case .forward: "forward"
        case .output: "output"
        case .postrouting: "postrouting"
        }
    }
}
