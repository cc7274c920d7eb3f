public import NetAddress

extension NetworkNamespace {
    /// Runs a program inside of the namespace and returns its standard output; throws ``ProgramFailure`` if its exit
    /// status is not 0.
    @discardableResult
    public func tool(_ arguments: [String], input: String? = nil, timeout: Duration = .seconds(60)) throws -> String {
        let result = try toolResult(arguments, input: input, timeout: timeout)
        guard result.status == 0 else { throw ProgramFailure(command: arguments, result: result) }
        return result.output
    }

    /// Runs a program inside of the namespace to its end, whatever its exit status.
    ///
    /// It is found by PATH and in the directories of administrators' programs; without input its standard input is
    /// empty. One that takes longer than the timeout is killed.
    public func toolResult(
        _ arguments: [String], input: String? = nil, timeout: Duration = .seconds(60)
    ) throws -> ProgramResult {
        try run { try Program.run(arguments, input: input, timeout: timeout) }
    }

    /// Runs lines of `ip` commands as one process; of one family if the commands do not show by themselves which it is.
    public func ip(_ lines: [String], family: IPFamily? = nil) throws {
        if lines.isEmpty { return }
        let option = family.map { [$0 == .ipv4 ? "-4" : "-6"] } ?? []
        try tool(["ip"] + option + ["-batch", "-"], input: lines.joined(separator: "\n") + "\n")
    }

    /// Loads a ruleset text.
    public func nft(_ ruleset: String) throws { try tool(["nft", "-f", "-"], input: ruleset) }
}

/// Runs a program to its end in the namespace that the process itself is in, to look and not to touch.
public func hostProgram(_ arguments: [String], timeout: Duration = .seconds(60)) throws -> ProgramResult {
    try Program.run(arguments, input: nil, timeout: timeout)
}
