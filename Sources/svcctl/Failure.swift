internal import AgentRuntime
internal import ArgumentParser
internal import Dataplane
internal import EtcdSource
internal import Glibc
internal import NFTables
internal import ServiceModel
internal import ServiceSource

/// The exit codes of sysexits.h that are part of the interface.
extension ExitCode {
    static let differences = ExitCode(1)
    static let usage = ExitCode(64)
    static let invalidDefinitions = ExitCode(65)
    static let unreadableInput = ExitCode(66)
    static let unsupported = ExitCode(69)
    static let unavailable = ExitCode(69)
    static let internalError = ExitCode(70)
    static let refused = ExitCode(74)
    static let outputFailed = ExitCode(74)
    static let temporaryFailure = ExitCode(75)
    static let protocolError = ExitCode(76)
    static let notPermitted = ExitCode(77)
}

/// Writes to standard error.
func printError(_ line: String) {
    write(Array((line + "\n").utf8), to: STDERR_FILENO)
}

/// Prints why a command cannot go on, and ends it with the exit code that belongs to the reason.
func fail(_ error: some Error) -> ExitCode {
    switch error {
    case let error as UnreadableInputs:
        for message in error.messages { printError("svcctl: \(message)") }
        return .unreadableInput
    case let error as InvalidDefinitions:
        for finding in error.findings { printError(finding.description) }
        let errors = error.findings.count { $0.severity == .error }
        printError("svcctl: \(errors) \(errors == 1 ? "error" : "errors") in the definitions; nothing was changed")
        return .invalidDefinitions
    case let error as BackendError:
        printError("svcctl: \(error.message)")
        return switch error.kind {
        case .notPermitted: .notPermitted
        case .unsupported: .unsupported
        case .refused, .foreign: .refused
        }
    case let error as EtcdError:
        printError("svcctl: etcd: \(error.message)")
        return error.exitCode
    case let error as MissingFromStore:
        for name in error.names { printError("svcctl: there is no \(name) in etcd") }
        return .unreadableInput
    case let error as WrongSource:
        printError("svcctl: \(error)")
        return .invalidDefinitions
    case let error as RefusedRequest:
        printError("svcctl: \(error.message); nothing was changed")
        return .usage
    case let code as ExitCode: return code
    default:
        // Not 1, which says of a diff that there are differences.
        printError("svcctl: \(error)")
        return .internalError
    }
}

/// What can be seen to be a mistake only when it is tried.
struct RefusedRequest: Error {
    let message: String

    init(_ message: String) { self.message = message }
}

extension EtcdError {
    fileprivate var exitCode: ExitCode {
        switch kind {
        case .unreachable: .unavailable
        case .notPermitted, .staleToken: .notPermitted
        case .unreadable: .unreadableInput
        case .notUnderstood: .protocolError
        case .compacted, .futureRevision, .tooLarge, .refused: .refused
        }
    }
}
