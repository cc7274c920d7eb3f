import Glibc
import Synchronization

/// A program that runs on, such as an agent in a namespace. It is killed when the object goes.
public final class RunningProgram: Sendable {
    private let command: [String]
    /// Its number, also after it has ended.
    public let process: Int32
    private let files: Program.StandardFiles
    private let status: Mutex<Int32?>

    /// Starts a program where the tests run.
    public init(_ command: [String], input: String = "") throws {
        self.command = command
        files = try Program.StandardFiles.open(input: input)
        process = try Program.start(command, files)
        status = Mutex(nil)
    }

    /// Starts a program; it is found as ``NetworkNamespace/toolResult(_:input:timeout:)`` finds it.
    public init(_ command: [String], in namespace: NetworkNamespace, input: String = "") throws {
        self.command = command
        let files = try Program.StandardFiles.open(input: input)
        process = try namespace.run { try Program.start(command, files) }
        self.files = files
        status = Mutex(nil)
    }

    /// What it has written so far.
    public func output() throws -> (output: String, errors: String) {
        (try files.output.contents(), try files.errors.contents())
    }

    /// Sends a signal; nothing happens if the program was seen to end.
    public func signal(_ number: Int32) { status.withLock { if $0 == nil { kill(process, number) } } }

    /// Waits for the end; a program that takes longer than the timeout is killed.
    public func wait(timeout: Duration = .seconds(10)) throws -> ProgramResult {
        let status = try status.withLock { status in
            let ended = try status ?? Program.wait(for: process, Deadline(timeout))
            status = ended
            return ended
        }
        return ProgramResult(status: status, output: try files.output.contents(), errors: try files.errors.contents())
    }

    /// Asks it to end, and waits.
    public func stop(timeout: Duration = .seconds(10)) throws -> ProgramResult {
        signal(SIGTERM)
        return try wait(timeout: timeout)
    }

    deinit {
        signal(SIGKILL)
        _ = try? wait()
    }
}
