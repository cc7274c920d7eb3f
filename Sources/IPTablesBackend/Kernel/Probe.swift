public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import XTables
internal import RulesetAccess

// What a kernel may have been built without.

extension IPTablesBackend {
    /// By the extensions that the skeleton uses over IPv4; not every kernel has IPv6.
    public mutating func checkKernel() throws(BackendError) {
        let needed = Set(
            skeleton().objects.filter { $0.key.family == .ipv4 }.flatMap {
                KernelExtension.needed(by: $0.key, $0.value)
            })
        let extensions = needed.sorted { $0.name < $1.name }
        let missing: [KernelExtension]
        do throws(KernelError) {
            missing = try self.missing(extensions, .ipv4)
        } catch {
            throw error.backendError
        }
        if !missing.isEmpty { throw Self.lack(missing, of: extensions.count) }
    }

    private static func lack(_ missing: [KernelExtension], of count: Int) -> BackendError {
        let what =
            missing.count == count
            ? "extensions of iptables in nf_tables (modules nft_compat and x_tables)"
            : missing.map(\.name).joined(separator: ", ")
        return BackendError(.unsupported, "the kernel lacks what --backend iptables needs: \(what)")
    }

    /// Says what the kernel lacks, if a transaction was refused for that; else what it refused.
    mutating func explain(
        _ error: KernelError, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) -> BackendError {
        guard case .transaction(let refusal) = error, refusal.cause.mayMeanMissingFeature else {
            return error.backendError
        }
        var needed: [IPFamily: Set<KernelExtension>] = [:]
        state.forEachDesired { key, value in
            needed[key.family, default: []].formUnion(KernelExtension.needed(by: key, value))
        }
        for family in IPFamily.allCases {
            let extensions = (needed[family] ?? []).sorted { $0.name < $1.name }
            guard let missing = try? missing(extensions, family), !missing.isEmpty else { continue }
            return Self.lack(missing, of: extensions.count)
        }
        return error.backendError
    }

    mutating func missing(
        _ extensions: [KernelExtension], _ family: IPFamily
    ) throws(KernelError) -> [KernelExtension] {
        try session.missing(extensions, family, probe: ChainName.prefix + "PROBE")
    }
}

extension KernelExtension {
    /// What an object of ours needs.
    static func needed(by key: ObjectKey, _ value: ObjectValue) -> [KernelExtension] {
        ObjectValue?.some(value).rules.compactMap(\.known).flatMap { rule in
            rule.expressions(key.family).compactMap { KernelExtension($0, key.table) }
        }
    }
}

extension ObjectKey {
    fileprivate var table: XTTable {
        switch self {
        case .chain(_, let table, _), .jump(_, let table, _), .stray(_, let table, _, _): table
        case .entry(let key): key.list.table
        }
    }
}
