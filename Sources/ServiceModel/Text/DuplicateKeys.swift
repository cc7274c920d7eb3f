/// A key that stands twice in one object. Which of the two counts differs between programs, so neither does here.
struct DuplicateKey: Hashable, Sendable {
    var first: NodeID
    var second: NodeID

    /// Adds every key of an object that an earlier one equals.
    static func find(
        in object: Int, nodes: [TreeNode], text: UnsafeBufferPointer<UInt8>, into found: inout [DuplicateKey]
    ) {
        guard nodes[object].length > 1, mayHaveDuplicates(object, nodes, text) else { return }
        let tree = Keys(nodes: nodes, text: text)
        if nodes[object].length <= 24 {
            var seen: [NodeID] = []
            for (key, _) in Members(nodes: nodes, object: NodeID(object)) {
                if let first = seen.first(where: { tree.equal($0, key) }) {
                    found.append(DuplicateKey(first: first, second: key))
                }
                seen.append(key)
            }
        } else {
            var seen: [String: NodeID] = [:]
            for (key, _) in Members(nodes: nodes, object: NodeID(object)) {
                if let first = seen.updateValue(key, forKey: tree.string(key)) {
                    found.append(DuplicateKey(first: first, second: key))
                }
            }
        }
    }

    /// A quick "no" for nearly every object: equal keys have equal length, first and last byte.
    private static func mayHaveDuplicates(
        _ object: Int, _ nodes: [TreeNode], _ text: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        var seen: UInt64 = 0
        for (key, _) in Members(nodes: nodes, object: NodeID(object)) {
            let entry = nodes[Int(key.index)]
            if entry.hasEscapes { return true }
            let slice = entry.slice(of: text)
            let mix = UInt(slice.first ?? 0) &* 31 &+ UInt(slice.last ?? 0) &* 7 &+ UInt(slice.count)
            let bit: UInt64 = 1 << UInt64(mix & 63)
            if seen & bit != 0 { return true }
            seen |= bit
        }
        return false
    }

    private struct Keys {
        let nodes: [TreeNode]
        let text: UnsafeBufferPointer<UInt8>

        func string(_ key: NodeID) -> String {
            let entry = nodes[Int(key.index)]
            let slice = entry.slice(of: text)
            guard entry.hasEscapes else { return String(decoding: slice, as: UTF8.self) }
            var alone = entry
            alone.offset = 0
            return DocumentTree(text: Array(slice), nodes: [alone]).string(NodeID(0))
        }

        func equal(_ left: NodeID, _ right: NodeID) -> Bool {
            let (first, second) = (nodes[Int(left.index)], nodes[Int(right.index)])
            if first.hasEscapes || second.hasEscapes { return string(left) == string(right) }
            return first.length == second.length && first.slice(of: text).elementsEqual(second.slice(of: text))
        }
    }
}
