/// The numbers by which the kernel knows sets of ipset.
///
/// Rules name sets; the kernel's structures have numbers instead, which are those of one network namespace. So they are
/// read first (``SetIndexReader``), and encoding and decoding stay pure. When two sets are swapped, a name keeps its
/// number, so that rules look into the set that has got the name.
public struct SetIndices: Hashable, Sendable {
    private var indices: [String: UInt16] = [:]
    private var names: [UInt16: String] = [:]

    public init() {}

    public init(_ indices: [String: UInt16]) {
        for (name, index) in indices { self[name] = index }
    }

    /// The number of a set; nil if it is not known.
    public subscript(_ name: String) -> UInt16? {
        get { indices[name] }
        set {
            if let former = indices[name] { names[former] = nil }
            indices[name] = newValue
            if let newValue { names[newValue] = name }
        }
    }

    /// The name of a set; nil if its number is not known.
    public func name(of index: UInt16) -> String? { names[index] }

    /// `IPSET_INVALID_ID` (linux/netfilter/ipset/ip_set.h): no set has it, and the kernel refuses a rule with it
    /// (ENOENT).
    static let none: UInt16 = .max
}
