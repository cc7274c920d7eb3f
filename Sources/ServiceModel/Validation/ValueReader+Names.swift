// Names of services, ports, nodes and zones.

extension ValueReader {
    static let labelRule = "at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends"

    /// A DNS label (RFC 1123).
    func label(_ node: NodeID, what: String) -> String? {
        name(node, what: what, rule: "a DNS label (\(Self.labelRule))", isValid: NameSyntax.isLabel)
    }

    /// The name of a node: a DNS subdomain (RFC 1123).
    func nodeName(_ node: NodeID) -> String? {
        name(node, what: "node name", rule: "a DNS name (a-z, 0-9, '-' and '.')", isValid: NameSyntax.isSubdomain)
    }

    /// The name of a zone: the value of a Kubernetes label.
    func zone(_ node: NodeID) -> String? {
        name(
            node, what: "zone",
            rule: "at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
            isValid: NameSyntax.isLabelValue)
    }

    private func name(
        _ node: NodeID, what: String, rule: @autoclosure () -> String, isValid: (UnsafeBufferPointer<UInt8>) -> Bool
    ) -> String? {
        guard isString(node) else { return nil }
        guard tree.withText(of: node, isValid) else {
            fail(node, "the \(what) \(description(of: node)) is not \(rule())")
            return nil
        }
        return tree.withText(of: node) { strings.string($0) }
    }

    /// `namespace/name`, or `name` in the namespace `default`.
    func serviceName(_ node: NodeID) -> ServiceName? {
        guard let text = string(node) else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2 else {
            fail(node, "\(text.quoted) is not a name of the form \"namespace/name\"")
            return nil
        }
        for (part, what) in zip(parts.reversed(), ["service name", "namespace"]) where !Self.isLabel(part) {
            fail(node, "the \(what) \(part.quoted) is not a DNS label (\(Self.labelRule))")
            return nil
        }
        return parts.count == 2
            ? ServiceName(namespace: parts[0], name: parts[1]) : ServiceName(namespace: "default", name: text)
    }

    private static func isLabel(_ text: String) -> Bool {
        var text = text
        return text.withUTF8(NameSyntax.isLabel)
    }
}
