internal import RulesetAccess

/// What must be remembered of the kernel's chains between an observation and the change that follows it.
struct ChainMemory {
    /// What the kernel has of tables and base chains, ours or not.
    var bases = BaseChains()
    /// The handles of our jumps.
    var jumpHandles: [ObjectKey: UInt64] = [:]
}
