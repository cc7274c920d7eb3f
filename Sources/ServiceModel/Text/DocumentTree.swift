/// The index of one value (or key) in a ``DocumentTree``.
struct NodeID: Hashable, Comparable, Sendable {
    let index: UInt32

    init(_ index: UInt32) { self.index = index }
    init(_ index: Int) { self.index = UInt32(truncatingIfNeeded: index) }

    static func < (left: NodeID, right: NodeID) -> Bool { left.index < right.index }
}

/// One value or key: 16 bytes, so that a tree costs little more than the text it describes.
struct TreeNode: Sendable {
    enum Kind: UInt8, Sendable {
        case null, `false`, `true`, number, string, key, array, object
    }

    /// Where the text of a scalar starts (for strings and keys: after the quote), or the bracket of a container.
    var offset: UInt32
    /// Bytes of a scalar's text; elements of an array; members of an object.
    var length: UInt32
    /// The index after the last node of this value: its next sibling, if there is one.
    var end: UInt32
    var kind: Kind
    /// Whether the text has JSON escapes to resolve.
    var hasEscapes = false
}

/// Line and column, both from 1; columns are counted in Unicode scalars.
struct TextMark: Hashable, Comparable, Sendable {
    var line: UInt32
    var column: UInt32

    static func < (left: TextMark, right: TextMark) -> Bool {
        left.line != right.line ? left.line < right.line : left.column < right.column
    }
}

/// Every value of one input, in the order of the text: an object is followed by key, value, key, value…, an array by
/// its elements. JSON and YAML both become such a tree, so that one decoder serves both.
struct DocumentTree: Sendable {
    /// What the nodes' offsets point into: the input itself for JSON, the collected scalars for YAML.
    var text: [UInt8] = []
    var nodes: [TreeNode] = []
    /// The documents: YAML documents or concatenated JSON values.
    var roots: [NodeID] = []
    /// For YAML the place of each node; empty for JSON, whose places follow from the offsets.
    var marks: [TextMark] = []
    /// Keys that stand twice in one object.
    var duplicateKeys: [DuplicateKey] = []

    subscript(node: NodeID) -> TreeNode { nodes[Int(node.index)] }

    func kind(_ node: NodeID) -> TreeNode.Kind { self[node].kind }

    /// The members of an object, in order; nothing for any other value.
    func members(of object: NodeID) -> Members { Members(nodes: nodes, object: object) }

    /// The elements of an array, in order; nothing for any other value.
    func elements(of array: NodeID) -> Elements { Elements(nodes: nodes, array: array) }
}

/// The members of one object.
struct Members: Sequence, IteratorProtocol {
    private let nodes: [TreeNode]
    private var position: UInt32
    private let end: UInt32

    init(nodes: [TreeNode], object: NodeID) {
        let node = nodes[Int(object.index)]
        self.nodes = nodes
        position = object.index + 1
        end = node.kind == .object ? node.end : position
    }

    mutating func next() -> (key: NodeID, value: NodeID)? {
        guard position < end else { return nil }
        let key = NodeID(position)
        let value = NodeID(position + 1)
        position = nodes[Int(value.index)].end
        return (key, value)
    }
}

/// The elements of one array.
struct Elements: Sequence, IteratorProtocol {
    private let nodes: [TreeNode]
    private var position: UInt32
    private let end: UInt32
    let underestimatedCount: Int

    init(nodes: [TreeNode], array: NodeID) {
        let node = nodes[Int(array.index)]
        self.nodes = nodes
        position = array.index + 1
        end = node.kind == .array ? node.end : position
        underestimatedCount = node.kind == .array ? Int(node.length) : 0
    }

    mutating func next() -> NodeID? {
        guard position < end else { return nil }
        let element = NodeID(position)
        position = nodes[Int(position)].end
        return element
    }
}
