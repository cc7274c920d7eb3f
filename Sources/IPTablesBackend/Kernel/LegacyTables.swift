internal import Glibc
public import NetAddress

/// The tables of the older iptables, which keeps rules in a place of its own, before or after those of nf_tables.
public enum LegacyTables {
    /// The tables that are in use in the calling thread's network namespace, by name; none if the kernel has no such
    /// thing.
    public static func inUse(_ family: IPFamily) -> [String] {
        let path = "/proc/thread-self/net/\(family == .ipv4 ? "ip" : "ip6")_tables_names"
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        // There are five tables, of names with at most 31 bytes.
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return [] }
        return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n").map(String.init).sorted()
    }

    /// A warning that names the tables that are in use; nil if there are none.
    public static var warning: String? {
        let tools: [(tool: String, tables: [String])] = IPFamily.allCases.map { family in
            (family == .ipv4 ? "iptables-legacy" : "ip6tables-legacy", inUse(family))
        }
        let used = tools.filter { !$0.tables.isEmpty }.map { "\($0.tool): \($0.tables.joined(separator: ", "))" }
        guard !used.isEmpty else { return nil }
        return
            "tables of the older iptables are in use, whose rules packets meet besides these (\(used.joined(separator: "; ")))"
    }
}
