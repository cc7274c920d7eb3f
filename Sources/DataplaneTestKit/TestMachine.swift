import Glibc

/// What runs the tests, for the traits `.enabled(if:)` and `.disabled(if:)`.
public enum TestMachine {
    /// Whether the processor is emulated: `hack/vm` sets `SVCCTL_VM`. It takes four to five times as long.
    public static let isEmulated = getenv("SVCCTL_VM") != nil

    /// By how much all waiting is longer than tests say: they mean a machine that runs programs itself.
    static let patience = isEmulated ? 4 : 1
}
