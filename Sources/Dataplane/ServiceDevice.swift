/// Interfaces that have service addresses, so that the kernel takes packets for them in.
public enum ServiceDevice {
    /// Ours.
    public static let name = "svcctl0"
    /// That of kube-proxy's IPVS mode, whose addresses pass to ours.
    public static let predecessor = "kube-ipvs0"
    /// What is there is no address of the node's.
    public static let names: Set<String> = [name, predecessor]
}
