internal import DataplaneTestKit

/// One test that every backend must pass.
public struct ConformanceTest: Sendable {
    /// What is tested, with the numbers of the behaviours.
    public let name: String
    private let keepsConnections: Bool
    private let isFor: @Sendable (Abilities) -> Bool
    private let body: @Sendable (Trial) throws -> Void

    /// - Parameters:
    ///   - keepsConnections: whether servers keep connections open.
    ///   - isFor: tells the backends that can pass.
    init(
        _ name: String, keepsConnections: Bool = false,
        for isFor: @escaping @Sendable (Abilities) -> Bool = { _ in true },
        _ body: @escaping @Sendable (Trial) throws -> Void
    ) {
        self.name = name
        self.keepsConnections = keepsConnections
        self.isFor = isFor
        self.body = body
    }

    /// Whether a backend can pass: it has what the test is about.
    public func applies(to system: some SystemUnderTest) -> Bool { isFor(system.abilities) }

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
