public import ServiceModel

/// The limits of a service, which each of its frontends carries. At least one of them is there.
public struct ConnectionLimits: Hashable, Sendable {
    /// How many connections the service may have at a time, 1…16777215.
    public var maxConnections: UInt32?
    /// How many connections one client address may have to the service at a time, 1…16777215.
    public var maxConnectionsPerSource: UInt32?
    /// How fast one client address may open connections to the service.
    public var newConnections: RateLimit?

    public init(
        maxConnections: UInt32? = nil, maxConnectionsPerSource: UInt32? = nil, newConnections: RateLimit? = nil
    ) {
        self.maxConnections = maxConnections
        self.maxConnectionsPerSource = maxConnectionsPerSource
        self.newConnections = newConnections
    }

    /// The limits of a service; nil if it has none.
    init?(_ service: Service) {
        self.init(
            maxConnections: service.maxConnections, maxConnectionsPerSource: service.maxConnectionsPerSource,
            newConnections: service.newConnectionsPerSecond)
        if self == ConnectionLimits() { return nil }
    }

    /// The number that a service with these limits gets if it is free.
    func number(of service: ServiceName) -> UInt32 { PoolNumbers.preferred("\(service) \(text)") }

    /// All limits in one word, by which services with others differ.
    var text: String {
        [maxConnections, maxConnectionsPerSource, newConnections?.perSecond, newConnections?.burst]
            .map { $0.map { String($0) } ?? "-" }.joined(separator: " ")
    }
}
