internal import Glibc
internal import NetAddress
internal import NetlinkWire

// Requests as the kernel reads them (ip_vs_genl_parse_service and ip_vs_genl_parse_dest in
// net/netfilter/ipvs/ip_vs_ctl.c). Addresses, ports and IPv4 masks are in network order, all else is the host's.

extension MessageBuffer {
    /// Appends struct genlmsghdr.
    mutating func genericHeader(_ command: UInt8, version: UInt8) {
        append(command)
        append(version)
        append(0 as UInt16)
    }

    /// Appends a command of IPVS's and what it is to be done with.
    mutating func request(_ operation: IPVSOperation) {
        genericHeader(operation.command.rawValue, version: familyVersion)
        switch operation {
        case .addVirtual(let server), .changeVirtual(let server):
            nested(CommandAttribute.service) { $0.fields(of: server) }
        case .removeVirtual(let id): service(id)
        case .addReal(let server, let id), .changeReal(let server, let id):
            service(id)
            nested(CommandAttribute.destination) { $0.fields(of: server) }
        case .removeReal(let server, let id):
            service(id)
            nested(CommandAttribute.destination) { $0.identity(of: server) }
        }
    }

    /// Appends the virtual server that a command is about.
    mutating func service(_ id: VirtualServerID) {
        nested(CommandAttribute.service) { $0.identity(of: id) }
    }

    /// Appends the timeouts; the kernel leaves those that are 0 as they are.
    mutating func timeouts(_ timeouts: Timeouts) {
        attribute(CommandAttribute.timeoutTCP, timeouts.tcp)
        attribute(CommandAttribute.timeoutTCPFin, timeouts.tcpFin)
        attribute(CommandAttribute.timeoutUDP, timeouts.udp)
    }

    // MARK: - Virtual servers

    private mutating func identity(of id: VirtualServerID) {
        attribute(ServiceAttribute.family, id.family.number)
        switch id {
        case .address(let address, let transport, let port):
            attribute(ServiceAttribute.transport, UInt16(transport.rawValue))
            attribute(ServiceAttribute.address, address)
            attribute(ServiceAttribute.port, port.bigEndian)
        case .mark(let mark, _): attribute(ServiceAttribute.mark, mark)
        }
    }

    private mutating func fields(of server: VirtualServer) {
        identity(of: server.id)
        attribute(ServiceAttribute.scheduler, string: server.scheduler)
        if let engine = server.persistenceEngine { attribute(ServiceAttribute.engine, string: engine) }
        // struct ip_vs_flags: the flags, and which of them to set.
        attributeHeader(ServiceAttribute.flags, payload: 8)
        append(server.flags.rawValue)
        append(~VirtualServer.Flags.hashed.rawValue)
        attribute(ServiceAttribute.timeout, server.persistenceTimeout)
        let mask = server.persistenceMask
        attribute(ServiceAttribute.netmask, mask.family == .ipv4 ? mask.number.bigEndian : mask.number)
    }

    // MARK: - Real servers

    private mutating func identity(of server: RealServerID) {
        attribute(DestinationAttribute.family, server.address.family.number)
        attribute(DestinationAttribute.address, server.address)
        attribute(DestinationAttribute.port, server.port.bigEndian)
    }

    private mutating func fields(of server: RealServer) {
        identity(of: server.id)
        attribute(DestinationAttribute.forwarding, server.forwarding.number)
        attribute(DestinationAttribute.weight, server.weight)
        attribute(DestinationAttribute.upperThreshold, server.upperThreshold)
        attribute(DestinationAttribute.lowerThreshold, server.lowerThreshold)
        guard server.forwarding == .tunnel else { return }
        attributeHeader(DestinationAttribute.tunnelType, payload: 1)
        append(server.tunnel.kind.number)
        append(0 as UInt8)
        append(0 as UInt16)
        attribute(DestinationAttribute.tunnelPort, server.tunnel.port.bigEndian)
        attribute(DestinationAttribute.tunnelFlags, server.tunnel.checksum.rawValue)
    }

    // MARK: - Fields

    private mutating func attribute(_ type: UInt16, _ number: UInt32) {
        attributeHeader(type, payload: 4)
        append(number)
    }

    private mutating func attribute(_ type: UInt16, _ number: UInt16) {
        attributeHeader(type, payload: 2)
        append(number)
        append(0 as UInt16)
    }

    /// Always 16 bytes; an IPv4 address is the first four (union nf_inet_addr).
    private mutating func attribute(_ type: UInt16, _ address: IPAddress) {
        attributeHeader(type, payload: 16)
        switch address.family {
        case .ipv4:
            append(UInt32(truncatingIfNeeded: address.low).bigEndian)
            append(0 as UInt32)
            append(0 as UInt64)
        case .ipv6:
            append(address.high.bigEndian)
            append(address.low.bigEndian)
        }
    }
}

extension IPFamily {
    /// AF_INET or AF_INET6.
    var number: UInt16 { UInt16(self == .ipv4 ? AF_INET : AF_INET6) }

    init?(number: UInt16) {
        switch Int32(number) {
        case AF_INET: self = .ipv4
        case AF_INET6: self = .ipv6
        default: return nil
        }
    }
}

extension IPVSOperation {
    var command: Command {
        switch self {
        case .addVirtual: .newService
        case .changeVirtual: .setService
        case .removeVirtual: .deleteService
        case .addReal: .newDestination
        case .changeReal: .setDestination
        case .removeReal: .deleteDestination
        }
    }
}
