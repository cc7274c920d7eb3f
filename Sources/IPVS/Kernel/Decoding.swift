internal import NetAddress
internal import NetlinkWire

// What the kernel lists (ip_vs_genl_fill_service and ip_vs_genl_fill_dest in net/netfilter/ipvs/ip_vs_ctl.c).

extension Message {
    /// The attributes of an answer of IPVS's; nil if it is another answer than expected.
    func attributes(of command: Command, family: UInt16) -> AttributeReader? {
        guard type == family, payload.first == command.rawValue else { return nil }
        return attributes(after: genericHeaderLength)
    }
}

extension VirtualServerStatus {
    /// Reads a virtual server; nil if it is of a protocol that we have no name for, or not as expected.
    init?(_ attribute: Attribute) {
        var family: IPFamily?
        var transport: TransportProtocol?
        var address: Attribute?
        var port: UInt16?
        var mark: UInt32?
        var scheduler: String?
        var flags = VirtualServer.Flags()
        var timeout: UInt32 = 0
        var netmask: Attribute?
        var engine: String?
        var statistics = StatisticsReader()
        for field in attribute.nested {
            switch field.type {
            case ServiceAttribute.family: family = field.hostEndian().flatMap { IPFamily(number: $0) }
            case ServiceAttribute.transport:
                transport = field.hostEndian(UInt16.self).flatMap { UInt8(exactly: $0) }
                    .flatMap { TransportProtocol(rawValue: $0) }
            case ServiceAttribute.address: address = field
            case ServiceAttribute.port: port = field.bigEndian()
            case ServiceAttribute.mark: mark = field.hostEndian()
            case ServiceAttribute.scheduler: scheduler = field.string
            case ServiceAttribute.flags:
                // struct ip_vs_flags: flags, and a mask without meaning here.
                guard field.payload.count >= 4 else { return nil }
                flags = VirtualServer.Flags(rawValue: field.payload.loadUnaligned(as: UInt32.self))
            case ServiceAttribute.timeout: timeout = field.hostEndian() ?? 0
            case ServiceAttribute.netmask: netmask = field
            case ServiceAttribute.engine: engine = field.string
            case ServiceAttribute.statistics: statistics.read(field)
            case ServiceAttribute.statistics64: statistics.readWide(field)
            default: break
            }
        }
        guard let family, let scheduler else { return nil }
        let id: VirtualServerID
        if let mark {
            id = .mark(mark, family)
        } else {
            guard let transport, let port, let address = address?.address(family) else { return nil }
            id = .address(address, transport, port: port)
        }
        let mask = family == .ipv4 ? netmask?.bigEndian(UInt32.self) : netmask?.hostEndian(UInt32.self)
        self.init(
            server: VirtualServer(
                id, scheduler: scheduler, flags: flags, persistenceTimeout: timeout,
                persistenceMask: mask.map { PersistenceMask(family, number: $0) },
                persistenceEngine: engine.flatMap { $0.isEmpty ? nil : $0 }),
            statistics: statistics.value)
    }
}

extension RealServerStatus {
    /// Reads a real server; nil if it is not as expected.
    ///
    /// - Parameter family: the virtual server's, which is the real server's too where the kernel does not say.
    init?(_ attribute: Attribute, family: IPFamily) {
        var family = family
        var address: Attribute?
        var port: UInt16?
        var status = RealServerStatus(server: RealServer(IPAddress(ipv4: 0), port: 0))
        var tunnel = Tunnel.ipip
        var statistics = StatisticsReader()
        for field in attribute.nested {
            switch field.type {
            case DestinationAttribute.family: family = field.hostEndian().flatMap { IPFamily(number: $0) } ?? family
            case DestinationAttribute.address: address = field
            case DestinationAttribute.port: port = field.bigEndian()
            case DestinationAttribute.forwarding:
                guard let number = field.hostEndian(UInt32.self) else { return nil }
                status.server.forwarding = ForwardingMethod(number: number & ForwardingMethod.mask)
            case DestinationAttribute.weight: status.server.weight = field.hostEndian() ?? 0
            case DestinationAttribute.upperThreshold: status.server.upperThreshold = field.hostEndian() ?? 0
            case DestinationAttribute.lowerThreshold: status.server.lowerThreshold = field.hostEndian() ?? 0
            case DestinationAttribute.activeConnections: status.activeConnections = field.hostEndian() ?? 0
            case DestinationAttribute.inactiveConnections: status.inactiveConnections = field.hostEndian() ?? 0
            case DestinationAttribute.persistentConnections: status.persistentConnections = field.hostEndian() ?? 0
            case DestinationAttribute.statistics: statistics.read(field)
            case DestinationAttribute.statistics64: statistics.readWide(field)
            case DestinationAttribute.tunnelType: tunnel.kind = Tunnel.Kind(number: field.hostEndian() ?? 0)
            case DestinationAttribute.tunnelPort: tunnel.port = field.bigEndian() ?? 0
            case DestinationAttribute.tunnelFlags:
                tunnel.checksum = Tunnel.Checksum(rawValue: field.hostEndian() ?? 0)
            default: break
            }
        }
        guard let port, let address = address?.address(family) else { return nil }
        status.server.address = address
        status.server.port = port
        if status.server.forwarding == .tunnel { status.server.tunnel = tunnel }
        status.statistics = statistics.value
        self = status
    }
}

extension ForwardingMethod {
    /// `IP_VS_CONN_F_FWD_MASK`.
    fileprivate static let mask: UInt32 = 0x7
}

extension Attribute {
    /// An address in union nf_inet_addr; nil if it is too short.
    fileprivate func address(_ family: IPFamily) -> IPAddress? {
        guard payload.count >= family.addressLength else { return nil }
        return IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: payload.prefix(family.addressLength)))
    }

    /// A number of four or eight bytes in the host's order.
    fileprivate var count: UInt64? { hostEndian(UInt64.self) ?? hostEndian(UInt32.self).map(UInt64.init) }
}

/// Reads counters; the wide ones win, wherever they come.
private struct StatisticsReader {
    private var isWide = false
    private(set) var value = Statistics()

    mutating func read(_ attribute: Attribute) {
        if !isWide { value = Statistics(attribute) }
    }

    mutating func readWide(_ attribute: Attribute) {
        isWide = true
        value = Statistics(attribute)
    }
}

extension Statistics {
    /// Reads counters of either width; those that are missing are 0.
    fileprivate init(_ attribute: Attribute) {
        self.init()
        for field in attribute.nested {
            guard let count = field.count else { continue }
            switch field.type {
            case StatisticsAttribute.connections: connections = count
            case StatisticsAttribute.incomingPackets: incomingPackets = count
            case StatisticsAttribute.outgoingPackets: outgoingPackets = count
            case StatisticsAttribute.incomingBytes: incomingBytes = count
            case StatisticsAttribute.outgoingBytes: outgoingBytes = count
            case StatisticsAttribute.connectionRate: rates.connections = count
            case StatisticsAttribute.incomingPacketRate: rates.incomingPackets = count
            case StatisticsAttribute.outgoingPacketRate: rates.outgoingPackets = count
            case StatisticsAttribute.incomingByteRate: rates.incomingBytes = count
            case StatisticsAttribute.outgoingByteRate: rates.outgoingBytes = count
            default: break
            }
        }
    }
}

extension Timeouts {
    /// Reads an answer. A kernel without a protocol leaves out its timeouts.
    init(_ attributes: AttributeReader) {
        self.init(tcp: 0, tcpFin: 0, udp: 0)
        for field in attributes {
            switch field.type {
            case CommandAttribute.timeoutTCP: tcp = field.hostEndian() ?? 0
            case CommandAttribute.timeoutTCPFin: tcpFin = field.hostEndian() ?? 0
            case CommandAttribute.timeoutUDP: udp = field.hostEndian() ?? 0
            default: break
            }
        }
    }
}

extension Information {
    init(_ attributes: AttributeReader) {
        self.init(
            version: attributes.first(InformationAttribute.version)?.hostEndian() ?? 0,
            connectionTableSize: attributes.first(InformationAttribute.connectionTableSize)?.hostEndian() ?? 0)
    }
}
