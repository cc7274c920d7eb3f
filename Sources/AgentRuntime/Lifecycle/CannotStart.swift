/// Why no agent can be started now, although nothing is wrong with it or its configuration.
public struct CannotStart: Error, CustomStringConvertible {
    enum Reason {
        case onThisNode(Int32?)
        case onThisSocket(String)
        case cannotLock(String)
        case cannotListen(String)
    }

    let reason: Reason

    init(_ reason: Reason) { self.reason = reason }

    public var description: String {
        switch reason {
        case .onThisNode(let process):
            let who = process.map { " as process \($0)" } ?? ""
            return "another agent runs on this node already\(who); two would undo each other's work"
        case .onThisSocket(let path):
            return "another agent has \(path); stop it, or name another --socket"
        case .cannotLock(let message):
            return "cannot make sure that no other agent runs: \(message)"
        case .cannotListen(let message): return message
        }
    }
}
