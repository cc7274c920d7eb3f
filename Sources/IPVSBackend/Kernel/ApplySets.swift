internal import Dataplane
internal import Glibc
internal import IPSet

extension IPVSBackend {
    /// Removes sets that are there in another form, and with them all rules, some of which look into them. All of it is
    /// then missing.
    mutating func remove(_ sets: [SetID]) throws(BackendError) {
        try removeChains()
        try destroySets(sets.map(\.name))
    }

    /// Makes the sets that are missing.
    mutating func makeSets(_ changes: Changes) throws(BackendError) {
        try applySets(changes.newSets.map { .create($0.spec) } + changes.flushedSets.map { .flush($0.name) })
    }

    /// Adds elements to the sets of some roles.
    mutating func addElements(_ changes: Changes, where isMeant: (SetRole) -> Bool) throws(BackendError) {
        let added = changes.elements.added.filter { isMeant($0.0.role) }
        try applySets(added.map { .add($0.1, to: $0.0.name) })
    }

    /// Deletes elements from the sets of some roles, but for what shows that a virtual server is ours that is kept.
    mutating func removeElements(_ changes: Changes, where isMeant: (SetRole) -> Bool) throws(BackendError) {
        let traces = leaving.traces
        let removed = changes.elements.removed.filter { id, element in
            isMeant(id.role) && !traces.contain(element.key, in: id.role)
        }
        try applySets(removed.map { .delete(SetElement($0.1.key), from: $0.0.name) })
    }

    /// Removes sets. The kernel lets go of rules that looked into them a little after they are gone.
    mutating func destroySets(_ names: [String]) throws(BackendError) {
        var rest = names[...]
        var pause: UInt32 = 1000
        while !rest.isEmpty {
            let part = Array(rest)
            let problem: IPSetError? = try callSets { (session) throws(IPSetError) -> IPSetError? in
                do throws(IPSetError) {
                    try session.apply(part.map { .destroy($0) })
                    return nil
                } catch {
                    guard case .setInUse = error.reason else { throw error }
                    return error
                }
            }
            guard let problem else { return }
            rest = rest.dropFirst(problem.done)
            guard pause < 1_000_000 else { throw Self.backendError(problem) }
            usleep(pause)
            pause *= 2
        }
    }

    /// Carries out operations in order. A set that is full is enlarged.
    mutating func applySets(_ operations: [SetOperation]) throws(BackendError) {
        var rest = operations[...]
        while !rest.isEmpty {
            let part = Array(rest)
            let problem: IPSetError? = try measure { (backend) throws(BackendError) in
                try backend.callSets { (session) throws(IPSetError) -> IPSetError? in
                    do throws(IPSetError) {
                        try session.apply(part, lenient: true)
                        return nil
                    } catch {
                        guard case .setFull = error.reason else { throw error }
                        return error
                    }
                }
            }
            guard let problem, case .setFull(let set, let size) = problem.reason else { return }
            rest = rest.dropFirst(problem.done)
            let (doubled, overflows) = (size ?? SetID.maxElements).multipliedReportingOverflow(by: 2)
            guard !overflows else { throw Self.backendError(problem) }
            try callSets { (session) throws(IPSetError) in try session.enlarge(set, to: doubled) }
        }
    }
}
