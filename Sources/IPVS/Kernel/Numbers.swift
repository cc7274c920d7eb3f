// Commands and attributes: linux/ip_vs.h and linux/genetlink.h.

/// The controller of generic netlink, which knows the other families by name.
enum Controller {
    /// `GENL_ID_CTRL`.
    static let messageType: UInt16 = 0x10
    /// `CTRL_CMD_GETFAMILY`.
    static let getFamily: UInt8 = 3
    static let version: UInt8 = 2
    /// `CTRL_ATTR_FAMILY_ID`.
    static let familyID: UInt16 = 1
    /// `CTRL_ATTR_FAMILY_NAME`.
    static let familyName: UInt16 = 2
}

/// `IPVS_CMD_*`.
enum Command: UInt8 {
    case newService = 1
    case setService = 2
    case deleteService = 3
    case getService = 4
    case newDestination = 5
    case setDestination = 6
    case deleteDestination = 7
    case getDestination = 8
    case setConfiguration = 12
    case getConfiguration = 13
    case setInformation = 14
    case getInformation = 15
}

/// `IPVS_GENL_NAME`.
let familyName = "IPVS"
/// `IPVS_GENL_VERSION`.
let familyVersion: UInt8 = 1
/// `sizeof(struct genlmsghdr)`.
let genericHeaderLength = 4

/// `IPVS_CMD_ATTR_*`.
enum CommandAttribute {
    static let service: UInt16 = 1
    static let destination: UInt16 = 2
    static let timeoutTCP: UInt16 = 4
    static let timeoutTCPFin: UInt16 = 5
    static let timeoutUDP: UInt16 = 6
}

/// `IPVS_SVC_ATTR_*`.
enum ServiceAttribute {
    static let family: UInt16 = 1
    static let transport: UInt16 = 2
    static let address: UInt16 = 3
    static let port: UInt16 = 4
    static let mark: UInt16 = 5
    static let scheduler: UInt16 = 6
    static let flags: UInt16 = 7
    static let timeout: UInt16 = 8
    static let netmask: UInt16 = 9
    static let statistics: UInt16 = 10
    static let engine: UInt16 = 11
    static let statistics64: UInt16 = 12
}

/// `IPVS_DEST_ATTR_*`.
enum DestinationAttribute {
    static let address: UInt16 = 1
    static let port: UInt16 = 2
    static let forwarding: UInt16 = 3
    static let weight: UInt16 = 4
    static let upperThreshold: UInt16 = 5
    static let lowerThreshold: UInt16 = 6
    static let activeConnections: UInt16 = 7
    static let inactiveConnections: UInt16 = 8
    static let persistentConnections: UInt16 = 9
    static let statistics: UInt16 = 10
    static let family: UInt16 = 11
    static let statistics64: UInt16 = 12
    static let tunnelType: UInt16 = 13
    static let tunnelPort: UInt16 = 14
    static let tunnelFlags: UInt16 = 15
}

/// `IPVS_STATS_ATTR_*`.
enum StatisticsAttribute {
    static let connections: UInt16 = 1
    static let incomingPackets: UInt16 = 2
    static let outgoingPackets: UInt16 = 3
    static let incomingBytes: UInt16 = 4
    static let outgoingBytes: UInt16 = 5
    static let connectionRate: UInt16 = 6
    static let incomingPacketRate: UInt16 = 7
    static let outgoingPacketRate: UInt16 = 8
    static let incomingByteRate: UInt16 = 9
    static let outgoingByteRate: UInt16 = 10
}

/// `IPVS_INFO_ATTR_*`.
enum InformationAttribute {
    static let version: UInt16 = 1
    static let connectionTableSize: UInt16 = 2
}
