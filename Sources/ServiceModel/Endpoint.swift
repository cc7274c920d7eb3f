public import NetAddress

/// One address that answers for a service. There are hundreds of thousands, so small fields stand together.
public struct Endpoint: Hashable, Sendable {
    public var address: IPAddress
    /// Whether a service port that ``ports`` does not mention leads to the service's own target port. True for native
    /// definitions; false for EndpointSlices, whose list is complete.
    public var inheritsTargetPorts = true
    public var conditions: EndpointConditions = .ready
    /// The share of new connections, 0…65535; 0 drains.
    public var weight: UInt16 = 1
    /// Target ports that this endpoint states itself, by the name of the **service** port.
    public var ports: [EndpointPort] = []
    public var nodeName: String?
    public var zone: String?
    /// Zones that should use this endpoint (EndpointSlice `hints.forZones`).
    public var zoneHints: [String] = []
    /// Nodes that should use this endpoint (EndpointSlice `hints.forNodes`).
    public var nodeHints: [String] = []

    public init(address: IPAddress) { self.address = address }

    /// The port on this endpoint that a service port leads to; nil if the endpoint does not serve that port.
    public func targetPort(for port: ServicePort) -> UInt16? {
        for stated in ports where stated.name == port.name && stated.transport == port.transport { return stated.port }
        guard inheritsTargetPorts, case .number(let number) = port.target else { return nil }
        return number
    }
}

/// A port that an endpoint states for itself.
public struct EndpointPort: Hashable, Sendable {
    /// The name of the service port; empty where that has none.
    public var name: String
    public var transport: TransportProtocol
    /// 1…65535.
    public var port: UInt16

    public init(name: String, transport: TransportProtocol = .tcp, port: UInt16) {
        self.name = name
        self.transport = transport
        self.port = port
    }
}

/// The three conditions of an endpoint (KEP-1672), defaults already filled in.
public struct EndpointConditions: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `ready`: takes new connections. Absent means true.
    public static let isReady = EndpointConditions(rawValue: 1)
    /// `serving`: answers, whether or not it is terminating. Absent means true.
    public static let isServing = EndpointConditions(rawValue: 2)
    /// `terminating`: is shutting down. Absent means false.
    public static let isTerminating = EndpointConditions(rawValue: 4)

    /// What an endpoint without conditions has.
    public static let ready: EndpointConditions = [.isReady, .isServing]
}
