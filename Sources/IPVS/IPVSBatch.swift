/// Things to do, in this order. The kernel does each on its own: one that it refuses does not stop the others.
public struct IPVSBatch: Sendable {
    /// A thing to do, and the caller's own number for it.
    public struct Entry: Hashable, Sendable {
        public var operation: IPVSOperation
        public var tag: Int
    }

    public private(set) var entries: [Entry] = []

    public init() {}

    public var isEmpty: Bool { entries.isEmpty }
    public var count: Int { entries.count }

    /// Makes room for so many at once.
    public mutating func reserveCapacity(_ count: Int) { entries.reserveCapacity(count) }

    /// Adds one of any kind.
    public mutating func append(_ operation: IPVSOperation, tag: Int = 0) {
        entries.append(Entry(operation: operation, tag: tag))
    }

    public mutating func add(_ server: VirtualServer, tag: Int = 0) { append(.addVirtual(server), tag: tag) }
    public mutating func change(_ server: VirtualServer, tag: Int = 0) { append(.changeVirtual(server), tag: tag) }
    public mutating func remove(_ id: VirtualServerID, tag: Int = 0) { append(.removeVirtual(id), tag: tag) }

    public mutating func add(_ server: RealServer, to id: VirtualServerID, tag: Int = 0) {
        append(.addReal(server, to: id), tag: tag)
    }

    public mutating func change(_ server: RealServer, of id: VirtualServerID, tag: Int = 0) {
        append(.changeReal(server, of: id), tag: tag)
    }

    public mutating func remove(_ server: RealServerID, of id: VirtualServerID, tag: Int = 0) {
        append(.removeReal(server, of: id), tag: tag)
    }
}
