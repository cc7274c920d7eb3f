/// What the tests may do here, for the trait `.enabled(if:)`.
public enum TestPrivilege {
    /// Whether the process may make network namespaces: it is root, or runs inside of `unshare -rn`.
    public static let canMakeNamespaces = (try? NetworkNamespace("probe")) != nil
}
