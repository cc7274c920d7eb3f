/// Where definitions are in etcd: the members of one cluster, and the prefix of the keys.
public struct EtcdLocation: Hashable, Sendable {
    /// `http://HOST:PORT` or `https://HOST:PORT`, at least one, all of the same scheme.
    public let members: [String]
    /// What all keys begin with, without the slash behind: `/svcctl`.
    public let prefix: String
    /// Whether connections are by TLS.
    public let isSecure: Bool

    public static let defaultPrefix = "/svcctl"
    /// An etcd on this machine, as it is set up by default.
    public static let local = EtcdLocation(members: ["http://127.0.0.1:\(defaultPort)"], prefix: defaultPrefix)
    static let defaultPort = 2379

    /// Reads `[etcd:]http[s]://HOST[:PORT][,[http[s]://]HOST[:PORT]…][/PREFIX]`.
    public init(_ text: String) throws(EtcdLocationError) {
        var rest = Substring(text)
        if rest.hasPrefix("etcd:") { rest = rest.dropFirst(5) }
        guard let scheme = Self.scheme(of: rest) else {
            throw EtcdLocationError("\(text): expected http:// or https:// and HOST:PORT")
        }
        isSecure = scheme == "https://"
        rest = rest.dropFirst(scheme.count)
        // Only what comes after the last member may have a path.
        var members: [String] = []
        var prefix: Substring = ""
        while true {
            let end = rest.firstIndex { $0 == "," || $0 == "/" } ?? rest.endIndex
            members.append(scheme + (try Self.authority(rest[..<end], in: text)))
            guard end < rest.endIndex else { break }
            if rest[end] == "/" {
                prefix = rest[end...]
                break
            }
            rest = rest[rest.index(after: end)...]
            if let other = Self.scheme(of: rest) {
                guard other == scheme else { throw EtcdLocationError("\(text): http and https cannot be mixed") }
                rest = rest.dropFirst(other.count)
            }
        }
        self.members = members
        self.prefix = try Self.prefix(prefix, in: text)
    }

    private init(members: [String], prefix: String) {
        self.members = members
        self.prefix = prefix
        isSecure = false
    }

    private static func scheme(of text: Substring) -> String? {
        ["http://", "https://"].first { text.hasPrefix($0) }
    }

    private static func authority(_ text: Substring, in whole: String) throws(EtcdLocationError) -> String {
        // The last colon outside of the brackets of an IPv6 address comes before the port.
        let colon = text.lastIndex(of: ":").flatMap { text[$0...].contains("]") ? nil : $0 }
        let host = colon.map { text[..<$0] } ?? text
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        let allowed = isBracketed ? ":[]." : ".-_"
        guard !host.isEmpty, host.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || allowed.contains($0)) })
        else { throw EtcdLocationError("\(whole): \"\(text)\" is not HOST:PORT") }
        guard let colon else { return "\(host):\(defaultPort)" }
        guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw EtcdLocationError("\(whole): \"\(text)\" has no port from 1 to 65535 behind the colon")
        }
        return "\(host):\(port)"
    }

    private static func prefix(_ path: Substring, in whole: String) throws(EtcdLocationError) -> String {
        var path = path
        while path.hasSuffix("/") { path = path.dropLast() }
        guard !path.isEmpty else { return defaultPrefix }
        let isPrintable = path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"?#\"\\,".utf8.contains($0) }
        guard isPrintable, !path.contains("//") else {
            throw EtcdLocationError("\(whole): the prefix \(path) may have no empty part, space, comma, quote, ? and #")
        }
        return String(path)
    }
}

extension EtcdLocation: CustomStringConvertible {
    /// As `--source` takes it: `etcd:http://10.0.0.1:2379,10.0.0.2:2379/svcctl`.
    public var description: String {
        let scheme = isSecure ? "https://" : "http://"
        let hosts = members.map { $0.dropFirst(scheme.count) }.joined(separator: ",")
        return "etcd:\(scheme)\(hosts)\(prefix)"
    }
}

/// Why a text does not say where etcd is.
public struct EtcdLocationError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
