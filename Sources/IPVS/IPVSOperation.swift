/// One thing to do. Its text is a line of `ipvsadm -R`: see ``write(to:)``.
public enum IPVSOperation: Hashable, Sendable {
    /// Fails if it exists.
    case addVirtual(VirtualServer)
    /// Everything but the real servers; fails if it is absent. Connections stay.
    case changeVirtual(VirtualServer)
    /// With its real servers.
    case removeVirtual(VirtualServerID)
    /// Fails if it exists.
    case addReal(RealServer, to: VirtualServerID)
    /// Fails if it is absent. Connections stay.
    case changeReal(RealServer, of: VirtualServerID)
    /// Its connections end with the next packet, or stay, as the sysctl `expire_nodest_conn` says.
    case removeReal(RealServerID, of: VirtualServerID)

    /// The virtual server that it is about.
    public var virtualServer: VirtualServerID {
        switch self {
        case .addVirtual(let server), .changeVirtual(let server): server.id
        case .removeVirtual(let id): id
        case .addReal(_, let id), .changeReal(_, let id), .removeReal(_, let id): id
        }
    }
}
