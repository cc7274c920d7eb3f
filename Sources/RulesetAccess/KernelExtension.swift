public import NFTables
public import NetAddress
internal import Netlink
public import XTables

/// A match or target of iptables that a rule uses, with one of its uses: two are equal if they are of the same name and in
/// the same table.
public struct KernelExtension: Hashable, Sendable {
    /// `match statistic (module xt_statistic)`.
    public let name: String
    public let table: XTTable
    let expression: Expression

    /// Nil for what is no extension.
    public init?(_ expression: Expression, _ table: XTTable) {
        switch expression {
        case .match(let name, _, _): self.name = "match \(name) (module xt_\(name))"
        case .target(let name, _, _): self.name = "target \(name)"
        default: return nil
        }
        self.table = table
        self.expression = expression
    }

    /// Some extensions insist on a protocol.
    var protocolNumber: UInt8 {
        switch expression {
        case .match("sctp", _, _): TransportProtocol.sctp.rawValue
        case .target("DNAT", _, _): TransportProtocol.tcp.rawValue
        default: 0
        }
    }

    public static func == (left: KernelExtension, right: KernelExtension) -> Bool {
        left.name == right.name && left.table == right.table
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(table)
    }
}

extension RulesetSession {
    /// The extensions among these that the kernel lacks. Nothing is changed: each is tried in a transaction that ends in
    /// a request that the kernel must refuse, and what counts is whether it refuses anything before that.
    ///
    /// - Parameter probe: the name of the chain that is made for that.
    public mutating func missing(
        _ extensions: [KernelExtension], _ family: IPFamily, probe: String
    ) throws(KernelError) -> [KernelExtension] {
        var missing: [KernelExtension] = []
        for tried in extensions {
            let table = tried.table.table(family)
            var batch = Batch(generation: nil)
            batch.add(table)
            let chain = Chain(family: family, table: table.name, name: probe)
            batch.add(chain)
            batch.add(Rule([tried.expression], compatibility: .init(protocolNumber: tried.protocolNumber)), to: chain)
            var trial: Batch? = consume batch
            let isRefused = try read { (socket) throws(NetlinkError) in
                guard let batch = trial.take() else { return false }
                return try socket.refuses(batch, impossibleIn: table)
            }
            if isRefused { missing.append(tried) }
        }
        return missing
    }
}
