internal import NetAddress

// The kinds of values. Each function returns what is wrong, or nil.

extension AgentOption {
    func parse<Value>(
        _ texts: [String], _ parse: (String) -> Value?, into values: inout [Value], _ what: String
    ) -> String? {
        values = []
        for text in texts {
            guard let value = parse(text) else { return "expected \(what), found \"\(text)\"" }
            values.append(value)
        }
        return nil
    }

    func choose(_ value: String, among names: [String], into setting: inout String) -> String? {
        guard names.contains(value) else { return "expected \(names.joined(separator: ", ")), found \"\(value)\"" }
        setting = value
        return nil
    }

    func text(_ value: String, into setting: inout String?) -> String? {
        guard !value.isEmpty else { return "expected a text, found nothing" }
        setting = value
        return nil
    }

    func flag(_ value: String, into setting: inout Bool) -> String? {
        guard let flag = Bool(value) else { return "expected true or false, found \"\(value)\"" }
        setting = flag
        return nil
    }

    func duration(_ value: String, into setting: inout Duration, least: Duration) -> String? {
        guard let duration = DurationText.parse(value) else {
            return "expected a duration such as 10ms, 30s or 1h, found \"\(value)\""
        }
        guard duration >= least else { return "expected at least \(DurationText.format(least)), found \"\(value)\"" }
        setting = duration
        return nil
    }

    func listen(_ value: String, into setting: inout ListenAddress) -> String? {
        guard let address = ListenAddress(value) else {
            return "expected an address and a port such as 127.0.0.1:10249 or [::1]:10249, found \"\(value)\""
        }
        setting = address
        return nil
    }
}

extension ListenAddress {
    /// Reads `ADDRESS:PORT`, IPv6 addresses in brackets.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        let digits = text[text.index(after: colon)...]
        guard let address = IPAddress(host), isBracketed == (address.family == .ipv6),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits)
        else { return nil }
        self.init(address: address, port: port)
    }
}

extension SourceAddress {
    /// Reads `file:PATH` and `etcd:URL`; nil for anything else. The URL is looked at by the source.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2, let kind = parts.first, let rest = parts.last else { return nil }
        switch kind {
        case "file": self = .file(rest)
        case "etcd" where rest.hasPrefix("http://") || rest.hasPrefix("https://"): self = .etcd(rest)
        default: return nil
        }
    }
}

/// Names of interfaces: at most 15 bytes (linux/if.h), and nothing that nft would take for a pattern.
enum InterfaceName {
    static func isValid(_ name: String) -> Bool {
        (1...15).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !"*\"\\/".utf8.contains($0) }
    }
}
