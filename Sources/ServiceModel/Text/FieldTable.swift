/// A field's name in four words, so that comparing names needs no loop and no memory.
struct FieldName: Equatable, Sendable {
    private var words: SIMD4<UInt64>
    private let length: Int

    /// Nil for names longer than 32 bytes: no field has such a name.
    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count <= 32 else { return nil }
        words = .zero
        length = bytes.count
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
    }
}

/// The fields an object may have, for matching keys against.
struct FieldTable<Field: CaseIterable & RawRepresentable<String> & Sendable>: Sendable {
    private let entries: [(name: FieldName, field: Field)]

    init() {
        entries = Field.allCases.compactMap { field in
            var name = field.rawValue
            return name.withUTF8 { FieldName($0) }.map { ($0, field) }
        }
    }

    var names: [String] { entries.map(\.field.rawValue) }

    /// The field that a key names.
    func field(for key: NodeID, in tree: DocumentTree) -> Field? {
        guard let name = tree.withText(of: key, { FieldName($0) }) else { return nil }
        for entry in entries where entry.name == name { return entry.field }
        return nil
    }
}
