public import NetAddress

/// What IPVS has made of a packet (`-m ipvs`). Everything that is given must hold, and the packet must belong to a
/// connection of IPVS.
public struct IPVSMatch: Hashable, Sendable {
    /// `--vproto 6`: the virtual service's protocol.
    public var transport: TransportProtocol?
    /// `--vaddr 10.96.0.10`: the virtual service's address.
    public var address: CIDR?
    /// `--vport 80`.
    public var port: UInt16?
    /// `--vdir ORIGINAL`, `--vdir REPLY`.
    public var direction: Direction?
    /// `--vmethod MASQ`: how IPVS forwards the connection.
    public var method: Method?
    /// `! --ipvs`: the packet belongs to no connection of IPVS. Counts only where nothing else is given.
    public var isOutside: Bool

    public enum Direction: Hashable, Sendable {
        case original, reply
    }

    /// `IP_VS_CONN_F_MASQ`, `…_TUNNEL`, `…_DROUTE` (linux/ip_vs.h).
    public enum Method: UInt8, Hashable, Sendable, CaseIterable {
        case masquerade = 0
        case tunnel = 2
        case direct = 3

        var text: String {
            switch self {
            case .masquerade: "MASQ"
            case .tunnel: "IPIP"
            case .direct: "GATE"
            }
        }
    }

    public init(
        transport: TransportProtocol? = nil, address: CIDR? = nil, port: UInt16? = nil, direction: Direction? = nil,
        method: Method? = nil, isOutside: Bool = false
    ) {
        self.transport = transport
        self.address = address
        self.port = port
        self.direction = direction
        self.method = method
        let isPlain = transport == nil && address == nil && port == nil && direction == nil && method == nil
        self.isOutside = isOutside && isPlain
    }
}

extension IPVSMatch {
    /// struct xt_ipvs_mtinfo (linux/netfilter/xt_ipvs.h): address and mask of 16 bytes each at 0 and 16; the port in
    /// network order at 32; the protocol at 34, the method at 35; what is turned round at 38, what is compared at 39.
    func structure(_ family: IPFamily) -> [UInt8] {
        var info = Structure(byteCount: 40)
        // Whatever else is compared, iptables asks for membership too.
        var compared = comparesMembership
        if let transport {
            info.put(transport.rawValue, at: 34)
            compared |= comparesTransport
        }
        if let address {
            info.put(address.address.networkBytes, at: 0)
            // An address without a length gets a mask of all 16 bytes from iptables, whatever the family.
            let isWhole = address.prefixLength == family.addressBits
            info.put(Extension.mask(isWhole ? 128 : address.prefixLength, isWhole ? 16 : family.addressLength), at: 16)
            compared |= comparesAddress
        }
        if let port {
            info.put(port.bigEndian, at: 32)
            compared |= comparesPort
        }
        if let direction {
            if direction == .reply { info.put(comparesDirection, at: 38) }
            compared |= comparesDirection
        }
        if let method {
            info.put(method.rawValue, at: 35)
            compared |= comparesMethod
        }
        if isOutside { info.put(comparesMembership, at: 38) }
        info.put(compared, at: 39)
        return info.bytes
    }

    /// What a structure says that may be ours; whoever asks compares the outcome's structure with it.
    init?(_ info: Structure, _ family: IPFamily) {
        guard let inverted: UInt8 = info.number(38), let compared: UInt8 = info.number(39) else { return nil }
        self.init(isOutside: inverted & comparesMembership != 0)
        if compared & comparesTransport != 0 {
            transport = info.number(34).flatMap { TransportProtocol(rawValue: $0) }
        }
        if compared & comparesAddress != 0, let found = IPAddress(networkBytes: info.bytes.prefix(family.addressLength))
        {
            let mask = info.bytes.dropFirst(16).prefix(family.addressLength)
            address = CIDR(found, prefixLength: mask.reduce(0) { $0 + $1.nonzeroBitCount })
        }
        if compared & comparesPort != 0 { port = info.number(32).map { UInt16(bigEndian: $0) } }
        if compared & comparesDirection != 0 {
            direction = inverted & comparesDirection != 0 ? .reply : .original
        }
        if compared & comparesMethod != 0 { method = info.number(35).flatMap { Method(rawValue: $0) } }
    }

    /// As iptables-save prints it behind `-m ipvs`.
    var text: String {
        if isOutside { return " ! --ipvs" }
        var text = ""
        if let transport { text += " --vproto \(transport.rawValue)" }
        if let address {
            let isWhole = address.prefixLength == address.family.addressBits
            text += " --vaddr \(isWhole ? "\(address.address)" : "\(address)")"
        }
        if let port { text += " --vport \(port)" }
        if let direction { text += " --vdir \(direction == .original ? "ORIGINAL" : "REPLY")" }
        if let method { text += " --vmethod \(method.text)" }
        return text.isEmpty ? " --ipvs" : text
    }
}

/// `XT_IPVS_IPVS_PROPERTY`, `XT_IPVS_PROTO`, `XT_IPVS_VADDR`, `XT_IPVS_VPORT`, `XT_IPVS_DIR`, `XT_IPVS_METHOD`.
private let comparesMembership: UInt8 = 1
private let comparesTransport: UInt8 = 2
private let comparesAddress: UInt8 = 4
private let comparesPort: UInt8 = 8
private let comparesDirection: UInt8 = 16
private let comparesMethod: UInt8 = 32
