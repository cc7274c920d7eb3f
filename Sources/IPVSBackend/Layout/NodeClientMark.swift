internal import NetAddress
internal import ServicePlan

/// Marks by which the node's own clients of external addresses find their virtual server. IPVS compares the whole mark.
///
/// The first four bits tell that a virtual server is ours, and the last two what it carries, since the kernel does not say:
/// `0101 nnnn nnnn nnnn nnnn nnnn nnnn nntt`.
enum NodeClientMark {
    static let space: UInt32 = 0x5000_0000
    static let spaceMask: UInt32 = 0xf000_0000
    /// One of ours that no service gets.
    static let probe = space | 3

    static func mark(_ number: UInt32, _ transport: TransportProtocol) -> UInt32 {
        space | number << 2 & ~spaceMask | code(transport)
    }

    static func isOurs(_ mark: UInt32) -> Bool { mark & spaceMask == space }

    /// What a virtual server for a mark of ours carries; nil for the probe.
    static func transport(_ mark: UInt32) -> TransportProtocol? {
        TransportProtocol.allCases.first { code($0) == mark & 3 }
    }

    private static func code(_ transport: TransportProtocol) -> UInt32 {
        switch transport {
        case .tcp: 0
        case .udp: 1
        case .sctp: 2
        }
    }
}
