extension DocumentTree {
    /// The JSON path of a value, or of the member that a key starts: `services[3].ports[0].port`.
    ///
    /// It is found by walking down from the document's root, since no node knows its parent; only findings need it.
    func path(to node: NodeID) -> String {
        guard var parent = roots.last(where: { $0 <= node }) else { return "" }
        var path = ""
        while parent != node {
            switch kind(parent) {
            case .object:
                guard let member = members(of: parent).first(where: { node.index < self[$0.value].end }) else {
                    return path
                }
                path += Self.pathStep(string(member.key), isFirst: path.isEmpty)
                if member.key == node { return path }
                parent = member.value
            case .array:
                guard
                    let (index, element) = elements(of: parent).enumerated().first(where: { node.index < self[$1].end })
                else { return path }
                path += "[\(index)]"
                parent = element
            default:
                return path
            }
        }
        return path
    }

    private static func pathStep(_ key: String, isFirst: Bool) -> String {
        let isPlain =
            !key.isEmpty && key.utf8.count <= 64
            && key.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil || $0 == "_" || $0 == "-")
            }
        if !isPlain { return "[\(key.quoted)]" }
        return isFirst ? key : ".\(key)"
    }
}
