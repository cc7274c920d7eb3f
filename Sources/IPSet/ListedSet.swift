/// A set that is in the kernel.
public struct ListedSet: Hashable, Sendable {
    public var name: String
    /// As the kernel names it, for example `hash:ip,port`.
    public var typeName: String
    /// What the set is; nil for a type or an option that ``SetSpec`` has no word for, such as `forceadd`. Its
    /// ``SetSpec/hashSize`` is nil.
    public var spec: SetSpec?
    /// How many rules and sets need it.
    public var references: UInt32
    public var elementCount: UInt32
    /// Bytes of kernel memory.
    public var memorySize: UInt32
    /// How many slots the hash has now.
    public var hashSize: UInt32?
    /// How many elements of a hash may share a slot before it grows; nil from kernels before 5.11.
    public var bucketSize: UInt8?
    /// The random number that the hash began with; nil from kernels before 5.11.
    public var initialValue: UInt32?

    public init(
        _ name: String, typeName: String, spec: SetSpec?, references: UInt32 = 0, elementCount: UInt32 = 0,
        memorySize: UInt32 = 0, hashSize: UInt32? = nil, bucketSize: UInt8? = nil, initialValue: UInt32? = nil
    ) {
        self.name = name
        self.typeName = typeName
        self.spec = spec
        self.references = references
        self.elementCount = elementCount
        self.memorySize = memorySize
        self.hashSize = hashSize
        self.bucketSize = bucketSize
        self.initialValue = initialValue
    }

    /// The line of `ipset save` that stands for the set without its elements; nil for a set without ``spec``.
    public var text: String? {
        var ending = ""
        if let bucketSize { ending += " bucketsize \(bucketSize)" }
        if let initialValue {
            let digits = String(initialValue, radix: 16)
            ending += " initval 0x\(String(repeating: "0", count: max(8 - digits.utf8.count, 0)))\(digits)"
        }
        return spec?.text(hashSize: hashSize ?? 1024, ending: ending)
    }
}

/// A set with its elements.
public struct SetContent: Hashable, Sendable {
    public var set: ListedSet
    /// In the order in which the kernel has them, which means nothing.
    public var elements: [SetElement]
    /// How many elements there are that ``SetElement`` has no word for, such as those of ICMP or with `nomatch`. They
    /// leave by ``IPSetSession/flush(_:)``.
    public var unreadable: Int

    public init(_ set: ListedSet, _ elements: [SetElement] = [], unreadable: Int = 0) {
        self.set = set
        self.elements = elements
        self.unreadable = unreadable
    }
}
