#if IPSet

    internal import CIPSet

    /// Operations on their way to the kernel, one after the other.
    ///
    /// The library collects what is added to, or deleted from, one set until its message is full or something else
    /// comes. A refusal is thus heard of late, and names its element by a number that was given with it: "line" 1 is the
    /// first operation.
    struct LibraryRun {
        private let session: OpaquePointer
        private let data: LibraryData
        /// The operations of the run that is being collected, and the one before its first.
        private var collected: [SetOperation] = []
        private var done = 0

        init(_ session: OpaquePointer) {
            self.session = session
            data = LibraryData(session)
            ipset_session_report_reset(session)
        }

        mutating func apply(_ operation: SetOperation) throws(IPSetError) {
            if collected.first.map({ !operation.continues($0) }) ?? true {
                try commit()
                if let problem = SetSpec.problem(ofName: operation.set) { throw refusal(problem, operation) }
            }
            if let problem = operation.problem {
                try commit()
                throw refusal(problem, operation)
            }
            collected.append(operation)
            guard try execute(operation) else { throw error() }
        }

        /// Sends what is collected.
        mutating func commit() throws(IPSetError) {
            guard !collected.isEmpty else { return }
            guard ipset_commit(session) == 0 else { throw error() }
            done += collected.count
            collected.removeAll(keepingCapacity: true)
        }

        /// Gives an operation to the library; false if that, or one before it, was refused.
        private func execute(_ operation: SetOperation) throws(IPSetError) -> Bool {
            let line = UInt32(truncatingIfNeeded: collected.count)
            switch operation {
            case .create(let spec): return data.set(spec) && send(IPSET_CMD_CREATE)
            case .destroy(let set):
                data.set(name: set)
                return send(IPSET_CMD_DESTROY)
            case .flush(let set):
                data.set(name: set)
                return send(IPSET_CMD_FLUSH)
            case .swap(let set, let other):
                data.set(name: set)
                data.set(otherName: other)
                return send(IPSET_CMD_SWAP)
            case .rename(let set, let name):
                data.set(name: set)
                data.set(otherName: name)
                return send(IPSET_CMD_RENAME)
            case .add(let element, let set):
                data.set(name: set)
                data.set(element)
                return send(IPSET_CMD_ADD, line: line)
            case .delete(let element, let set):
                data.set(name: set)
                data.set(element)
                return send(IPSET_CMD_DEL, line: line)
            }
        }

        private func send(_ command: ipset_cmd, line: UInt32 = 0) -> Bool { ipset_cmd(session, command, line) == 0 }

        private func refusal(_ problem: String, _ operation: SetOperation) -> IPSetError {
            IPSetError(.invalid, problem, operation: operation, done: done)
        }

        /// What the library has reported about the run.
        private mutating func error() -> IPSetError {
            data.reset()
            let report = LibraryReport(session)
            // Without a line, the whole message was refused; all of a run's have the same set.
            let index = report.line.map { max(Int($0) - 1, 0) } ?? 0
            let operation = index < collected.count ? collected[index] : collected.first
            let error = report.error(
                operation, operation?.set ?? "", operation?.commands ?? [], done: done + min(index, collected.count))
            collected.removeAll()
            return error
        }
    }

    extension SetOperation {
        /// Whether the library may put this into one message with another, which came before.
        fileprivate func continues(_ other: SetOperation) -> Bool {
            switch (self, other) {
            case (.add(_, let set), .add(_, let former)), (.delete(_, let set), .delete(_, let former)): set == former
            default: false
            }
        }

        /// The commands whose refusals may be reported.
        fileprivate var commands: [ipset_cmd] {
            switch self {
            case .create: [IPSET_CMD_CREATE, IPSET_CMD_TYPE]
            case .destroy: [IPSET_CMD_DESTROY]
            case .flush: [IPSET_CMD_FLUSH]
            case .swap: [IPSET_CMD_SWAP]
            case .rename: [IPSET_CMD_RENAME]
            case .add: [IPSET_CMD_ADD]
            case .delete: [IPSET_CMD_DEL]
            }
        }
    }

#endif
