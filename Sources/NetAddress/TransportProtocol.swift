/// The transport protocols a service port may have. The raw value is the IP protocol number (IANA registry).
public enum TransportProtocol: UInt8, Hashable, Sendable, CaseIterable {
    case tcp = 6
    case udp = 17
    case sctp = 132

    /// From the Kubernetes API's spelling: `TCP`, `UDP` or `SCTP`.
    public init?(kubernetesName name: some StringProtocol) {
        switch name {
        case "TCP": self = .tcp
        case "UDP": self = .udp
        case "SCTP": self = .sctp
        default: return nil
        }
    }

    /// `TCP`, `UDP` or `SCTP`, as the Kubernetes API spells it.
    public var kubernetesName: String {
        switch self {
        case .tcp: "TCP"
        case .udp: "UDP"
        case .sctp: "SCTP"
        }
    }
}

extension TransportProtocol: CustomStringConvertible {
    /// `tcp`, `udp` or `sctp`, as nft, ipset and ipvsadm spell it.
    public var description: String {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        case .sctp: "sctp"
        }
    }
}

extension TransportProtocol {
    /// Writes ``description``.
    public func write(to text: inout TextCursor) {
        switch self {
        case .tcp: text.put("tcp" as StaticString)
        case .udp: text.put("udp" as StaticString)
        case .sctp: text.put("sctp" as StaticString)
        }
    }
}

extension TransportProtocol: Comparable {
    public static func < (left: TransportProtocol, right: TransportProtocol) -> Bool { left.rawValue < right.rawValue }
}
