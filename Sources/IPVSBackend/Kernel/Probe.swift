public import Dataplane
internal import IPSet
internal import IPVS
internal import Links
internal import NFTables
internal import NetAddress
internal import Netlink
internal import RulesetAccess
internal import XTables

// What a kernel may have been built without.

extension IPVSBackend {
    /// By asking IPVS and the kernel's sets, and by the extensions of iptables that the skeleton uses.
    public mutating func checkKernel() throws(BackendError) {
        _ = try callIPVS { (socket) throws(NetlinkError) in try socket.information() }
        _ = try callSets { (session) throws(IPSetError) in try session.sets() }
        let rules = layout.chains(.ipv4).flatMap { table, _, rules in rules.map { (table, $0) } }
        let missing: [String]
        do throws(KernelError) {
            missing = try missingExtensions(rules, .ipv4)
        } catch {
            throw error.backendError
        }
        if !missing.isEmpty { throw Self.lack(missing.joined(separator: ", ")) }
    }

    private static func lack(_ what: String) -> BackendError {
        BackendError(.unsupported, "the kernel lacks what --backend ipvs needs: \(what)")
    }

    /// Says what the kernel lacks, if a transaction was refused for that; else what it refused.
    mutating func explain(_ error: KernelError, _ changes: Changes) -> BackendError {
        guard case .transaction(let refusal) = error, refusal.cause.mayMeanMissingFeature else {
            return error.backendError
        }
        for family in IPFamily.allCases {
            let rules = changes.chains.filter { $0.family == family }.flatMap { change in
                (change.desired ?? []).compactMap(\.known).map { (change.table, $0) }
            }
            guard let missing = try? missingExtensions(rules, family), !missing.isEmpty else { continue }
            return Self.lack(missing.joined(separator: ", "))
        }
        return error.backendError
    }

    /// The extensions that rules use and the kernel lacks: those that refer to sets cannot be tried before the sets are there,
    /// and are left out until then.
    private mutating func missingExtensions(
        _ rules: [(XTTable, XTRule)], _ family: IPFamily
    ) throws(KernelError) -> [String] {
        let indices = try setIndices()
        var extensions: Set<KernelExtension> = []
        for (table, rule) in rules where rule.setNames.allSatisfy({ indices[$0] != nil }) {
            extensions.formUnion(
                rule.expressions(family, sets: indices).compactMap { KernelExtension($0, table) })
        }
        return try session.missing(Array(extensions), family, probe: ChainName.prefix + "PROBE").map(\.name)
    }
}
