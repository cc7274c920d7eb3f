#if IPSet

    internal import CIPSet

    /// Operations on their way to the kernel, one after the other.
    ///
    /// The library collects what is added to, or deleted from, one set until its message is full or something else
    /// comes. A refusal is thus heard of late, and names its element by a number that was given with it: "line" 1 is the
    /// first element of a run of such operations.
    struct LibraryRun {
        /// What can go into one message.
        private struct Kind: Equatable {
            var command: ipset_cmd
            var set: String
        }

        private let session: OpaquePointer
        private var data: LibraryData
        /// What is being collected; nil if nothing is.
        private var kind: Kind?
        /// How many operations are collected.
        private var collected = 0
        /// How many were done before.
        private var done = 0

        init(_ session: OpaquePointer) {
            self.session = session
            data = LibraryData(session)
            ipset_session_report_reset(session)
        }

        /// Does all of them.
        mutating func apply(_ operations: some Collection<SetOperation>) throws(IPSetError) {
            for operation in operations {
                let fits = try prepare(operation, operations)
                guard fits, execute(operation) else { throw error(operations) }
            }
            guard commit() else { throw error(operations) }
        }

        /// Sends what is collected if this operation does not go with it.
        private mutating func prepare(
            _ operation: SetOperation, _ operations: some Collection<SetOperation>
        ) throws(IPSetError) -> Bool {
            var problem = operation.problem
            if kind.map({ !operation.is($0.command, $0.set) }) ?? true {
                guard commit() else { return false }
                problem = SetSpec.problem(ofName: operation.set) ?? problem
                kind = Kind(command: operation.command, set: operation.set)
            }
            if let problem {
                guard commit() else { return false }
                throw IPSetError(.invalid, problem, operation: operation, done: done)
            }
            collected += 1
            return true
        }

        /// Sends what is collected; false if it was refused.
        private mutating func commit() -> Bool {
            guard collected > 0 else { return true }
            guard ipset_commit(session) == 0 else { return false }
            done += collected
            collected = 0
            return true
        }

        /// Gives an operation to the library; false if that, or one before it, was refused.
        private mutating func execute(_ operation: SetOperation) -> Bool {
            var line: UInt32 = 0
            data.set(name: operation.set)
            switch operation {
            case .create(let spec): guard data.set(spec) else { return false }
            case .destroy, .flush: break
            case .swap(_, let other), .rename(_, let other): data.set(otherName: other)
            case .add(let element, _), .delete(let element, _):
                data.set(element)
                line = UInt32(truncatingIfNeeded: collected)
            }
            return ipset_cmd(session, operation.command, line) == 0
        }

        /// What the library has reported about what is collected.
        private mutating func error(_ operations: some Collection<SetOperation>) -> IPSetError {
            data.reset()
            let report = LibraryReport(session)
            // Without a line the whole message was refused, whose set is that of all that is collected.
            let index = min(report.line.map { max(Int($0) - 1, 0) } ?? 0, max(collected - 1, 0))
            let operation = operations.dropFirst(done + index).first
            return report.error(operation, operation?.set ?? "", operation?.commands ?? [], done: done + index)
        }
    }

    extension SetOperation {
        /// Whether the library may put this into one message with others of a command and set.
        fileprivate func `is`(_ command: ipset_cmd, _ set: String) -> Bool {
            switch self {
            case .add(_, let own): command == IPSET_CMD_ADD && own == set
            case .delete(_, let own): command == IPSET_CMD_DEL && own == set
            default: false
            }
        }

        fileprivate var command: ipset_cmd {
            switch self {
            case .create: IPSET_CMD_CREATE
            case .destroy: IPSET_CMD_DESTROY
            case .flush: IPSET_CMD_FLUSH
            case .swap: IPSET_CMD_SWAP
            case .rename: IPSET_CMD_RENAME
            case .add: IPSET_CMD_ADD
            case .delete: IPSET_CMD_DEL
            }
        }

        /// The commands whose refusals may be reported: before a set is made, the kernel is asked about its type.
        fileprivate var commands: [ipset_cmd] {
            if case .create = self { [IPSET_CMD_CREATE, IPSET_CMD_TYPE] } else { [command] }
        }
    }

#endif
