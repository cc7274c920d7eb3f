/// One value of a JSON text of another program, read by the parser of definitions: what is not there, or of another kind,
/// is nil. It takes less than half of Codable's time, which counts where every change of a service passes.
package struct JSONView {
    private final class Document {
        let tree: DocumentTree
        init(_ tree: DocumentTree) { self.tree = tree }
    }

    private let document: Document
    private let node: NodeID

    /// Nil if the bytes are not one JSON value (RFC 8259).
    package init?(_ bytes: [UInt8]) {
        guard bytes.count <= InputReader.maximumBytes, let tree = try? JSONParser.parse(bytes), tree.roots.count == 1
        else { return nil }
        document = Document(tree)
        node = tree.roots[0]
    }

    private init(_ document: Document, _ node: NodeID) {
        self.document = document
        self.node = node
    }

    private var kind: TreeNode.Kind { document.tree.kind(node) }

    /// A member of an object; nil also for null.
    package subscript(name: StaticString) -> JSONView? {
        document.tree.member(name, of: node).map { JSONView(document, $0) }
    }

    package var elements: [JSONView] { document.tree.elements(of: node).map { JSONView(document, $0) } }

    package var isObject: Bool { kind == .object }
    package var isTrue: Bool { kind == .true }
    package var string: String? { kind == .string ? document.tree.string(node) : nil }

    /// Lends the text of a string, as UTF-8.
    package func withText<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result? {
        kind == .string ? document.tree.withText(of: node, body) : nil
    }

    /// A whole number, in a string or not.
    package var integer: Int64? {
        kind == .string || kind == .number ? Int64(document.tree.string(node)) : nil
    }
}
