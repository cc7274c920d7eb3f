internal import ArgumentParser
internal import Dataplane
internal import Glibc
internal import NFTables
internal import ServiceModel
internal import ServiceSource

/// The exit codes of sysexits.h that are part of the interface.
extension ExitCode {
    static let differences = ExitCode(1)
    static let invalidDefinitions = ExitCode(65)
    static let unreadableInput = ExitCode(66)
    static let unsupported = ExitCode(69)
    static let internalError = ExitCode(70)
    static let refused = ExitCode(74)
    static let outputFailed = ExitCode(74)
    static let temporaryFailure = ExitCode(75)
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
    case let code as ExitCode: return code
    default:
        // Not 1, which says of a diff that there are differences.
        printError("svcctl: \(error)")
        return .internalError
    }
}
