internal import NFTables
internal import NetAddress

/// What a register holds, in nft's words: where it comes from, and how its bytes read.
struct Operand {
    enum Kind {
        case address(IPFamily)
        case transport
        case port
        case number
        case mark
        case routeType
        case interfaceName
        case connectionState
        case connectionStatus
        case bytes
    }

    var text: String
    var kind: Kind
    /// Bytes of the value before padding.
    var length: Int
    var mask: [UInt8]?
    /// Whether it is drawn anew for each packet.
    var choice: Choice?

    enum Choice {
        case random(modulus: UInt32)
        case turns(modulus: UInt32)
    }
}

// MARK: - From instructions

extension Operand {
    /// What an instruction loads; nil for one that loads nothing.
    init?(loadedBy expression: Expression, _ family: IPFamily) {
        switch expression {
        case .payload(let base, let offset, let length, _):
            self = Self.payload(base, Int(offset), Int(length), family)
        case .meta(.mark, _): self = Operand(text: "meta mark", kind: .mark, length: 4)
        case .meta(.inputInterfaceName, _): self = Operand(text: "iifname", kind: .interfaceName, length: 16)
        case .meta(.transportProtocol, _): self = Operand(text: "meta l4proto", kind: .transport, length: 1)
        case .connection(let key, _): self = Self.connection(key, "ct ")
        case .connectionTuple(let key, let direction, _): self = Self.connection(key, "ct \(direction) ")
        case .addressType(let which, _):
            self = Operand(
                text: "fib \(which == .source ? "saddr" : "daddr") type", kind: .routeType, length: 4)
        case .random(let modulus, _):
            self = Operand(
                text: "numgen random mod \(modulus)", kind: .number, length: 4, choice: .random(modulus: modulus))
        case .increment(let modulus, _):
            self = Operand(
                text: "numgen inc mod \(modulus)", kind: .number, length: 4, choice: .turns(modulus: modulus))
        default: return nil
        }
    }

    private static func payload(_ base: PayloadBase, _ offset: Int, _ length: Int, _ family: IPFamily) -> Operand {
        let name = family.nftName
        let (source, destination) = family == .ipv4 ? (12, 16) : (8, 24)
        switch (base, offset, length) {
        case (.network, source, 1...family.addressLength):
            return Operand(text: "\(name) saddr", kind: .address(family), length: length)
        case (.network, destination, 1...family.addressLength):
            return Operand(text: "\(name) daddr", kind: .address(family), length: length)
        case (.transport, 0, 2): return Operand(text: "th sport", kind: .port, length: 2)
        case (.transport, 2, 2): return Operand(text: "th dport", kind: .port, length: 2)
        default:
            let header = base == .network ? "nh" : base == .transport ? "th" : "ll"
            return Operand(text: "@\(header),\(offset * 8),\(length * 8)", kind: .bytes, length: length)
        }
    }

    private static func connection(_ key: ConnectionKey, _ prefix: String) -> Operand {
        switch key {
        case .state: Operand(text: "ct state", kind: .connectionState, length: 4)
        case .status: Operand(text: "ct status", kind: .connectionStatus, length: 4)
        case .transportProtocol: Operand(text: prefix + "protocol", kind: .transport, length: 1)
        case .destinationPort: Operand(text: prefix + "proto-dst", kind: .port, length: 2)
        case .sourceIPv4: Operand(text: prefix + "ip saddr", kind: .address(.ipv4), length: 4)
        case .destinationIPv4: Operand(text: prefix + "ip daddr", kind: .address(.ipv4), length: 4)
        case .sourceIPv6: Operand(text: prefix + "ip6 saddr", kind: .address(.ipv6), length: 16)
        case .destinationIPv6: Operand(text: prefix + "ip6 daddr", kind: .address(.ipv6), length: 16)
        }
    }

    /// The operand after `(value & mask) ^ xor`.
    func changed(mask: [UInt8], xor: [UInt8]) -> Operand {
        var operand = self
        let isPlainMask = xor.allSatisfy { $0 == 0 }
        if isPlainMask, self.mask == nil {
            operand.mask = mask
            return operand
        }
        let bits = value(xor)
        if zip(mask, xor).allSatisfy({ $0 == ~$1 }) {
            operand.text = "\(text) | \(bits)"
        } else if mask.allSatisfy({ $0 == 0xff }) {
            operand.text = "\(text) ^ \(bits)"
        } else {
            operand.text = "(\(text) & \(value(mask))) ^ \(bits)"
        }
        return operand
    }
}

// MARK: - To words

extension Operand {
    private static func number(_ bytes: [UInt8]) -> UInt32? {
        bytes.count == 4 ? bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) } : nil
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// A number in hexadecimal, with all of its digits.
    static func hex(_ number: UInt32) -> String {
        let digits = String(number, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// Whether a value is the name of the loopback interface.
    func isLoopback(_ bytes: [UInt8]) -> Bool {
        if case .interfaceName = kind { bytes == PacketState.interfaceBytes("lo") } else { false }
    }

    /// A value in words.
    func value(_ bytes: [UInt8]) -> String {
        switch kind {
        case .address(let family):
            let padding = [UInt8](repeating: 0, count: max(0, family.addressLength - bytes.count))
            guard let address = IPAddress(networkBytes: (bytes + padding)[...]) else { return Self.hex(bytes) }
            return padding.isEmpty ? "\(address)" : "\(address)/\(bytes.count * 8)"
        case .transport:
            guard let number = bytes.first else { return Self.hex(bytes) }
            return TransportProtocol(rawValue: number)?.description ?? "\(number)"
        case .port:
            guard bytes.count >= 2 else { return Self.hex(bytes) }
            return "\(UInt16(bytes[0]) << 8 | UInt16(bytes[1]))"
        case .number: return Self.number(bytes).map { "\($0)" } ?? Self.hex(bytes)
        case .mark: return Self.number(bytes).map(Self.hex) ?? Self.hex(bytes)
        case .routeType: return Self.number(bytes).map(Self.routeType) ?? Self.hex(bytes)
        case .interfaceName:
            let name = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            return "\"\(name)\(bytes.count < 16 ? "*" : "")\""
        case .connectionState: return Self.names(bytes, Self.stateNames)
        case .connectionStatus: return Self.names(bytes, Self.statusNames)
        case .bytes: return Self.hex(bytes)
        }
    }

    /// A comparison in words: `ip saddr 10.0.0.0/8`, `ct state new`.
    func condition(_ comparison: Comparison, _ bytes: [UInt8]) -> String {
        let not = comparison == .equal ? "" : "!= "
        guard let mask else { return "\(text) \(not)\(value(bytes))" }
        switch kind {
        case .connectionState, .connectionStatus:
            if bytes.allSatisfy({ $0 == 0 }) { return "\(text) \(comparison == .equal ? "!= " : "")\(value(mask))" }
        case .address:
            if let length = Self.prefixLength(mask) { return "\(text) \(not)\(value(bytes))/\(length)" }
        default: break
        }
        return "\(text) & \(value(mask)) \(comparison == .equal ? "==" : "!=") \(value(bytes))"
    }

    /// How many leading bits a mask has; nil if it has others.
    private static func prefixLength(_ mask: [UInt8]) -> Int? {
        let length = mask.prefix { $0 == 0xff }.count
        guard length < mask.count else { return length * 8 }
        let partial = (~mask[length]).leadingZeroBitCount
        guard mask[length] == UInt8(truncatingIfNeeded: 0xff00 >> partial),
            mask.dropFirst(length + 1).allSatisfy({ $0 == 0 })
        else { return nil }
        return length * 8 + partial
    }

    /// `RTN_*` of linux/rtnetlink.h.
    private static func routeType(_ number: UInt32) -> String {
        switch number {
        case 1: "unicast"
        case 2: "local"
        case 3: "broadcast"
        case 4: "anycast"
        case 5: "multicast"
        default: "\(number)"
        }
    }

    private static let stateNames: [(UInt32, String)] = [
        (1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked"),
    ]

    private static let statusNames: [(UInt32, String)] = [
        (Connection.confirmed, "confirmed"), (Connection.sourceNAT, "snat"), (Connection.destinationNAT, "dnat"),
    ]

    private static func names(_ bytes: [UInt8], _ known: [(UInt32, String)]) -> String {
        guard let number = number(bytes) else { return hex(bytes) }
        let names = known.filter { number & $0.0 != 0 }.map(\.1)
        return names.isEmpty ? hex(number) : names.joined(separator: ",")
    }
}
