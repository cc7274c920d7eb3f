internal import NetAddress

/// What the elements of a set are made of.
public enum SetType: String, Hashable, Sendable, CaseIterable {
    case hashIP = "hash:ip"
    case hashIPPort = "hash:ip,port"
    case hashIPPortIP = "hash:ip,port,ip"
    case hashIPPortNet = "hash:ip,port,net"
    case hashNet = "hash:net"
    case hashNetPort = "hash:net,port"
    case bitmapPort = "bitmap:port"

    /// The kernel's module that brings the type, for example `ip_set_hash_ipport`.
    public var module: String {
        "ip_set_" + String(rawValue.compactMap { $0 == ":" ? "_" : $0 == "," ? nil : $0 })
    }

    /// Whether sets of the type grow up to a limit, and are of one family. A bitmap has a bit for each possible element.
    public var isHash: Bool { self != .bitmapPort }
}

extension IPFamily {
    /// `inet` or `inet6`, as ipset spells it.
    var setFamily: String { self == .ipv4 ? "inet" : "inet6" }
}
