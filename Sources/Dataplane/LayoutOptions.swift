public import ServicePlan

/// What of a backend's rules depends on the node's configuration.
public struct LayoutOptions: Hashable, Sendable {
    public var node: NodeFacts
    /// The one bit of the packet mark that is ours (`--masquerade-bit`, 0…31): set on what must be masqueraded, and
    /// cleared again when it has been (semantics 23).
    public var masqueradeBit: Int
    /// Whether nobody else may change the tables while we live (`--protect`).
    public var isProtected = false
    /// The file where a backend that can notes what it has made, so that it need not read everything when it is started
    /// again; nil for none.
    public var recordPath: String?

    public init(node: NodeFacts = NodeFacts(), masqueradeBit: Int = 14) {
        self.node = node
        self.masqueradeBit = masqueradeBit
    }
}
