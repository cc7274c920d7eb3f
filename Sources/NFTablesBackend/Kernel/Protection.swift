public import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import RulesetAccess

/// Tables that belong to the socket which made them: nobody else can change them, and when the socket closes they stay
/// and belong to nobody, until somebody takes them (Linux 6.9).
enum Protection {
    /// `NFT_TABLE_F_OWNER` and `NFT_TABLE_F_PERSIST` (linux/netfilter/nf_tables.h).
    private static let owner: UInt32 = 2
    private static let persist: UInt32 = 4
    static let flags = owner | persist

    /// Whether a table that is there becomes another by setting its flags, with all that is in it.
    static func canBeTaken(_ old: Table, as new: Table) -> Bool {
        var taken = old
        taken.flags |= owner
        return old.flags & flags == persist && taken == new
    }

    /// A table as far as the difference is concerned: that one was protected and has lost its owner makes no difference
    /// to who asks for no protection.
    static func seen(_ table: Table, _ options: LayoutOptions) -> Table {
        guard !options.isProtected, table.flags & flags == persist else { return table }
        var seen = table
        seen.flags &= ~persist
        return seen
    }
}

extension NFTablesBackend {
    public mutating func checkKernel() throws(BackendError) {
        if layout.options.isProtected { try checkProtection() }
    }

    /// Finds out whether the kernel can protect tables; nothing is changed.
    ///
    /// - Throws: a ``BackendError`` of kind `unsupported` that says what is missing.
    public mutating func checkProtection() throws(BackendError) {
        let feature = KernelFeature(name: "tables that only their owner can change (Linux 6.9)") { batch, table in
            var owned = Table(family: table.family, name: table.name + "_owned")
            owned.flags = Protection.flags
            batch.add(owned)
        }
        let isMissing: Bool
        do throws(KernelError) {
            isMissing = try !missing([feature], .ipv4).isEmpty
        } catch {
            throw error.backendError
        }
        if isMissing { throw BackendError(.unsupported, "the kernel lacks what --protect needs: \(feature.name)") }
    }
}
