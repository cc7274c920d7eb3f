internal import DataplaneTestKit

/// One test that every backend must pass.
public struct ConformanceTest: Sendable {
    /// What is tested, with the numbers of the behaviours.
    public let name: String
    private let keepsConnections: Bool
    private let body: @Sendable (Trial) throws -> Void

    /// - Parameter keepsConnections: whether servers keep connections open.
    init(_ name: String, keepsConnections: Bool = false, _ body: @escaping @Sendable (Trial) throws -> Void) {
        self.name = name
        self.keepsConnections = keepsConnections
        self.body = body
    }

    /// Runs in a lab of its own, and returns what was wrong: a line for each packet that met another fate than it
    /// should have. Empty means passed.
    public func failures(of system: some SystemUnderTest) throws -> [String] {
        let trial = Trial(system, try ConformanceLab(mode: keepsConnections ? .keepOpen : .answerAndClose))
        try body(trial)
        trial.check(trial.attempts > 0, "nothing was tried")
        return trial.failures
    }
}

extension ConformanceTest: CustomStringConvertible {
    public var description: String { name }
}
