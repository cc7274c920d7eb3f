import CNamespaces
import FoundationEssentials
import Glibc

/// What a program that ran to its end left behind.
public struct ProgramResult: Hashable, Sendable {
    /// The exit status; 128 + the signal's number if a signal ended it, as shells have it.
    public var status: Int32
    public var output: String
    public var errors: String

    public init(status: Int32, output: String, errors: String) {
        self.status = status
        self.output = output
        self.errors = errors
    }
}

/// A program that failed.
public struct ProgramFailure: Error, Hashable, Sendable {
    public var command: [String]
    public var result: ProgramResult

    public init(command: [String], result: ProgramResult) {
        self.command = command
        self.result = result
    }
}

extension ProgramFailure: CustomStringConvertible {
    public var description: String {
        "`\(command.joined(separator: " "))` exited with \(result.status): \(result.errors)\(result.output)"
    }
}

/// Starts programs. A child is in the namespace of the thread that starts it.
enum Program {
    /// Runs a program to its end; it is killed if it takes longer than the timeout.
    static func run(_ arguments: [String], input: String?, timeout: Duration) throws -> ProgramResult {
        let files = try StandardFiles.open(input: input ?? "")
        let process = try start(arguments, files)
        let status = try wait(for: process, Deadline(timeout))
        return ProgramResult(status: status, output: try files.output.contents(), errors: try files.errors.contents())
    }

    struct StandardFiles: ~Copyable, Sendable {
        let input: Descriptor
        let output: Descriptor
        let errors: Descriptor

        static func open(input: String) throws(SystemCallError) -> StandardFiles {
            let input = try Descriptor.memoryFile("input", holding: input.utf8)
            let output = try Descriptor.memoryFile("output")
            return StandardFiles(input: input, output: output, errors: try .memoryFile("errors"))
        }
    }

    static func start(_ arguments: [String], _ files: borrowing StandardFiles) throws -> pid_t {
        guard let name = arguments.first else { throw SystemCallError(call: "posix_spawn", number: EINVAL) }
        guard let path = path(of: name) else { throw SystemCallError(call: "posix_spawn \(name)", number: ENOENT) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, files.input.number, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, files.output.number, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, files.errors.number, STDERR_FILENO)
        // What tests beside this one have open is not the child's: a port that it inherits stays taken.
        spawn_close_from(&actions, STDERR_FILENO + 1)
        var attributes = plainSignals()
        defer { posix_spawnattr_destroy(&attributes) }
        var process: pid_t = 0
        let result = withCStrings(arguments) { arguments in
            withCStrings(environment.map { "\($0)=\($1)" }) { environment in
                posix_spawn(&process, path, &actions, &attributes, arguments, environment)
            }
        }
        guard result == 0 else { throw SystemCallError(call: "posix_spawn \(path)", number: result) }
        return process
    }

    /// No signal blocked or ignored, whatever started the tests: children inherit both.
    private static func plainSignals() -> posix_spawnattr_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        return attributes
    }

    /// Waits in steps that grow with what has passed: some microseconds for `ip`, at most 10 ms for the slow.
    static func wait(for process: pid_t, _ deadline: Deadline) throws -> Int32 {
        var status: Int32 = 0
        var pause: UInt32 = 100
        while try check("waitpid", waitpid(process, &status, WNOHANG)) == 0 {
            if deadline.isOver { kill(process, SIGKILL) }
            usleep(pause)
            pause = min(pause + pause / 8, 10_000)
        }
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }

    private static let environment: [String: String] = {
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = searchPath.joined(separator: ":")
        return environment
    }()

    /// The directories of PATH, and those that an ordinary user's PATH lacks.
    private static let searchPath =
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        + ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]

    private static func path(of name: String) -> String? {
        if name.contains("/") { return name }
        return searchPath.lazy.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    private static func withCStrings<Output>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Output
    ) -> Output {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }
}
