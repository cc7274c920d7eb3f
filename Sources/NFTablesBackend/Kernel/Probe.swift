internal import Dataplane
internal import NFTables
internal import NetAddress
internal import Netlink
internal import ServiceModel
internal import RulesetAccess

/// Something that the backend cannot do without, and that a kernel may have been built without.
struct KernelFeature: Sendable {
    /// For messages: what it does, and the kernel module that does it.
    let name: String
    /// Those sets whose elements make it needed; none for what is needed always.
    var roles: Set<SetID.Role> = []
    /// Adds the objects that need it to a table that is there.
    let build: @Sendable (inout Batch, Table) -> Void

    /// A chain that is only jumped to, with one rule.
    static func rule(_ name: String, _ expressions: [Expression]) -> KernelFeature {
        KernelFeature(name: name) { batch, table in
            let chain = Chain(family: table.family, table: table.name, name: "probe")
            batch.add(chain)
            batch.add(Rule(observed: expressions), to: chain)
        }
    }

    /// A chain of the packet path, with one rule.
    static func hooked(_ name: String, _ hook: Chain.Hook, _ statements: [Statement] = []) -> KernelFeature {
        KernelFeature(name: name) { batch, table in
            let chain = Chain(family: table.family, table: table.name, name: "probe", hook: hook)
            batch.add(chain)
            if !statements.isEmpty { batch.add(Rule(table.family, statements), to: chain) }
        }
    }

    static func statements(_ name: String, _ family: IPFamily, _ statements: [Statement]) -> KernelFeature {
        rule(name, Rule(family, statements).expressions)
    }

    /// All features in the order in which they build on each other.
    static func all(_ family: IPFamily) -> [KernelFeature] {
        let prerouting = Chain.Hook(kind: .nat, point: .prerouting, priority: -100)
        let postrouting = Chain.Hook(kind: .nat, point: .postrouting, priority: 100)
        return [
            KernelFeature(name: "tables of family \(family.nftName) (module nf_tables)") { _, _ in },
            hooked("NAT chains (module nft_chain_nat)", prerouting),
            KernelFeature(name: "sets that count packets (modules nf_tables and nft_counter)") { batch, table in
                var set = SetID(family, .clusterServices).definition
                set.table = table.name
                batch.add(set)
            },
            KernelFeature(name: "numbers at random (module nft_numgen)") { batch, table in
                let set = SetDefinition(
                    family: family, table: table.name, name: "numbers", key: [.randomSlot(modulus: 2)])
                let chain = Chain(family: family, table: table.name, name: "probe")
                batch.add(chain)
                batch.add(set)
                batch.add(Rule(family, [.member(set.key, of: set.name)]), to: chain)
            },
            statements("connection states (module nft_ct)", family, [.connectionIsNew]),
            statements(
                "address types (modules nft_fib and nft_fib_\(family.description.lowercased()))", family,
                [.isLocal(.source)]),
            statements(
                "refusals (modules nft_reject and nft_reject_\(family.description.lowercased()))", family, [.reject]),
            hooked("masquerading (module nft_masq)", postrouting, [.masquerade]),
            KernelFeature(name: "destination NAT by a map (module nft_nat)") { batch, table in
                var map = SetID(family, .endpoints, 1).definition
                map.table = table.name
                let chain = Chain(family: family, table: table.name, name: "probe", hook: prerouting)
                batch.add(chain)
                batch.add(map)
                batch.add(Rule(family, [.redirect(family, map.key, map: map.name)]), to: chain)
            },
            statements(
                "addresses written into packets (module nf_tables)", family,
                [.setDestination(family, [.originalDestination(family)])]),
        ] + onDemand(family)
    }

    /// What only some services need.
    private static func onDemand(_ family: IPFamily) -> [KernelFeature] {
        let hashed: Set<SetID.Role> = [
            .hashedEndpoints, .nodePortHashedEndpoints, .clusterHashedEndpoints, .nodePortClusterHashedEndpoints,
        ]
        return [
            KernelFeature(name: "hashes (module nft_hash)", roles: hashed) { batch, table in
                var map = SetID(family, .hashedEndpoints, 1).definition
                map.table = table.name
                let chain = Chain(family: table.family, table: table.name, name: "probe")
                let key = map.key.dropLast() + [Field.sourceSlot(family, modulus: 1)]
                batch.add(chain)
                batch.add(SetDefinition(family: family, table: table.name, name: "slots", key: map.key))
                batch.add(Rule(family, [.member(Array(key), of: "slots")]), to: chain)
            },
            filled(
                "sets that rules fill (module nf_tables)", .affinity, [.affinityNumbers],
                SharedRule.remember(SetID(family, .affinityNumbers, 1), group: 0)),
            filled(
                "limits of rates (module nft_limit)", .ratesBySource, [.rateLimits],
                SharedRule.limitRate(SetID(family, .rateLimits, RateLimits.number(of: .init(perSecond: 1, burst: 1))))),
            filled(
                "counts of connections (module nft_connlimit)", .connectionsBySource,
                [.connectionLimits, .sourceConnectionLimits],
                SharedRule.limitConnections(SetID(family, .sourceConnectionLimits, 1))),
        ]
    }

    /// A set and the statement that fills it.
    private static func filled(
        _ name: String, _ role: SetID.Role, _ roles: Set<SetID.Role>, _ rule: SharedRule
    ) -> KernelFeature {
        KernelFeature(name: name, roles: roles) { batch, table in
            var set = SetID(table.family, role).definition
            set.table = table.name
            let chain = Chain(family: table.family, table: table.name, name: "probe")
            let filling = rule.rule.statements?.filter { if case .updateSet = $0 { true } else { false } } ?? []
            batch.add(chain)
            batch.add(set)
            batch.add(Rule(table.family, filling), to: chain)
        }
    }
}

extension NFTablesBackend {
    /// Says what the kernel lacks, if a transaction was refused for that; else what it refused.
    mutating func explain(
        _ error: KernelError, _ state: borrowing DeltaTracker<ObjectKey, ObjectValue>
    ) -> BackendError {
        guard case .transaction(let refusal) = error, refusal.cause.mayMeanMissingFeature else {
            return error.backendError
        }
        var roles: Set<SetID.Role> = []
        state.forEachDesired { key, _ in if case .element(_, let set) = key { roles.insert(set.role) } }
        for family in IPFamily.allCases {
            let features = KernelFeature.all(family).filter { $0.roles.isEmpty || !$0.roles.isDisjoint(with: roles) }
            guard let missing = try? missing(features, family), !missing.isEmpty else { continue }
            let list = missing.joined(separator: ", ")
            return BackendError(.unsupported, "the kernel lacks what --backend nftables needs: \(list)")
        }
        return error.backendError
    }

    /// The features among these that the kernel lacks. Nothing is changed: each is tried in a transaction that ends in
    /// a request that the kernel must refuse, and what counts is whether it refuses anything before that.
    mutating func missing(_ features: [KernelFeature], _ family: IPFamily) throws(KernelError) -> [String] {
        var missing: [String] = []
        for feature in features {
            let table = Table(family: family, name: "svcctl_probe")
            var batch = Batch(generation: nil)
            batch.add(table)
            feature.build(&batch, table)
            var trial: Batch? = consume batch
            let isRefused = try read { (socket) throws(NetlinkError) in
                guard let batch = trial.take() else { return false }
                return try socket.refuses(batch, impossibleIn: table)
            }
            if isRefused { missing.append(feature.name) }
        }
        return missing
    }
}
