internal import FoundationEssentials
package import ServiceModel

/// Which key holds what.
package struct KeyLayout: Hashable, Sendable {
    /// Without a slash at the end.
    package let prefix: String
    /// What every key of ours begins with.
    private let start: [UInt8]

    package init(prefix: String) {
        self.prefix = prefix
        start = Array("\(prefix)/".utf8)
    }

    /// What a key stands for.
    package enum Meaning: Hashable, Sendable {
        case service(ServiceName)
        case endpoint(ServiceName, id: String)
        /// A node of the cluster, by its name.
        case node(String)
        /// The operator's word that the store is right as it is.
        case accept
        /// No key of ours, with the reason.
        case outside(String)
    }

    /// All keys of ours, as etcd has ranges: up to `range.end`, which is none of them.
    package var range: (start: [UInt8], end: [UInt8]) {
        (start, Array("\(prefix)0".utf8))
    }

    package var accept: String { "\(prefix)/accept" }

    package func service(_ name: ServiceName) -> String { "\(prefix)/services/\(name)" }

    package func endpoint(_ name: ServiceName, id: String) -> String { "\(endpoints(name))\(id)" }

    /// What the keys of a service's endpoints begin with.
    package func endpoints(_ name: ServiceName) -> String { "\(prefix)/endpoints/\(name)/" }

    package func node(_ name: String) -> String { "\(prefix)/nodes/\(name)" }

    package func meaning(of key: [UInt8]) -> Meaning {
        guard key.starts(with: start) else { return .outside("it does not begin with \(prefix)/") }
        let rest = key.dropFirst(start.count)
        guard rest.count <= 1024, rest.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            return .outside("it has characters that no name has")
        }
        let parts = rest.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        func isKind(_ kind: StaticString, parts count: Int) -> Bool {
            parts.count == count && kind.withUTF8Buffer { parts[0].elementsEqual($0) }
        }
        if isKind("services", parts: 3) { return Self.name(parts).map { .service($0) } ?? Self.wrongName }
        if isKind("endpoints", parts: 4) {
            guard let name = Self.name(parts) else { return Self.wrongName }
            let id = String(decoding: parts[3], as: UTF8.self)
            guard Self.isID(id) else { return .outside("an endpoint's ID has 1 to 253 characters") }
            return .endpoint(name, id: id)
        }
        if isKind("nodes", parts: 2) {
            guard ClusterNode.isName(parts[1]) else { return .outside("the node's name is not a DNS name") }
            return .node(String(decoding: parts[1], as: UTF8.self))
        }
        if isKind("accept", parts: 1) { return .accept }
        return .outside(
            "expected services/NAMESPACE/NAME, endpoints/NAMESPACE/NAME/ID, nodes/NAME or accept below \(prefix)/")
    }

    private static var wrongName: Meaning { .outside("the namespace or name is not a DNS label") }

    private static func name(_ parts: [ArraySlice<UInt8>]) -> ServiceName? {
        ServiceName(namespace: parts[1], name: parts[2])
    }

    /// Whether a text can be the last part of an endpoint's key.
    package static func isID(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") }
    }

    /// A key as messages have it: what cannot be printed is escaped as in URLs, and no more than a line is shown.
    package static func printable(_ key: [UInt8]) -> String {
        var text = ""
        for byte in key.prefix(300) {
            if byte > 0x20, byte < 0x7f {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return key.count > 300 ? text + "…" : text
    }
}
