public import NetAddress

/// An endpoint that answers, as a place that packets come from.
public struct ServingEndpoint: Hashable, Sendable {
    public var address: IPAddress
    public var port: UInt16

    public init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension ServingEndpoint: Comparable {
    public static func < (left: ServingEndpoint, right: ServingEndpoint) -> Bool {
        left.address != right.address ? left.address < right.address : left.port < right.port
    }
}
