import Glibc

/// How slow this machine is.
enum Patience {
    /// By how much all waiting is longer than tests say: they mean a machine that runs programs itself. `hack/vm` sets
    /// `SVCCTL_VM`, and an emulated processor takes four to five times as long.
    static let factor = getenv("SVCCTL_VM") == nil ? 1 : 4
}
