public import NFTables

/// Explains what a ruleset does to packets, by doing with one what the kernel would do.
///
/// It reads the same typed rules that the kernel is given, and nothing of the plan behind them, so that it shows the
/// plan's mistakes too. The elements are indexed once; each packet after that costs only what it meets.
public struct Tracer: Sendable {
    private let rules: RulesetIndex
    private let reports: Bool

    /// - Parameter reports: whether paths tell what happened step by step; else they have neither stages nor definitions
    ///   nor most notes, and cost less.
    public init(_ ruleset: Ruleset, reports: Bool = true) {
        rules = RulesetIndex(ruleset)
        self.reports = reports
    }

    /// The way of a packet that begins a connection. Tables of the packet's family alone have a say in it.
    public func path(of packet: Packet, on node: NodeView, limits: LimitAssumption = .within) -> PacketPath {
        Interpreter(rules, packet, node, limits, reports: reports).path()
    }
}
