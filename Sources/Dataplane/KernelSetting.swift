/// A setting of the kernel (sysctl(8)) that rules need to do their work.
public struct KernelSetting: Hashable, Sendable {
    /// `net.ipv4.ip_forward`.
    public var name: String
    public var value: String
    /// What goes wrong without it.
    public var harm: String
    /// Whether it counts only where it exists.
    public var isOptional: Bool

    public init(name: String, value: String, harm: String, isOptional: Bool = false) {
        self.name = name
        self.value = value
        self.harm = harm
        self.isOptional = isOptional
    }
}
