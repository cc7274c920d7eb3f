internal import Glibc
internal import NetAddress
public import Netlink
internal import NetlinkWire

/// The kernel's IPVS, in the network namespace where it was opened.
///
/// Everything but opening takes CAP_NET_ADMIN in the machine's first user namespace: being root in a user namespace of
/// one's own is not enough.
public struct IPVSSocket: ~Copyable {
    var socket: NetlinkSocket
    /// The type of IPVS's messages. The kernel chooses it whenever the module is loaded.
    var family: UInt16
    /// About so many bytes are written in one call.
    package var pieceBytes = 64 * 1024
    /// What an answer takes of the socket's receive buffer, with room to spare: the kernel counts what it allocates.
    package var bytesPerAnswer = 2048
    private var modules = ModuleLoader()

    /// Opens a socket in the calling thread's network namespace. The kernel loads the module `ip_vs` for it.
    ///
    /// - Throws: EOPNOTSUPP if there is no such module.
    public init() throws(NetlinkError) {
        var socket = try NetlinkSocket(.generic)
        family = try Self.resolve(&socket)
        self.socket = socket
    }

    /// Asks the controller for IPVS's number.
    private static func resolve(_ socket: inout NetlinkSocket) throws(NetlinkError) -> UInt16 {
        let operation = "looking for IPVS"
        var family: UInt16?
        do {
            try socket.request(type: Controller.messageType, flags: [], operation: operation) {
                $0.genericHeader(Controller.getFamily, version: Controller.version)
                $0.attribute(Controller.familyName, string: familyName)
            } onMessage: { message in
                family = message.attributes(after: genericHeaderLength).first(Controller.familyID)?.hostEndian()
            }
        } catch {
            guard error.isAbsent else { throw error }
            throw NetlinkError(
                errno: EOPNOTSUPP, operation: operation, message: "the kernel has no module ip_vs (CONFIG_IP_VS)")
        }
        guard let family else {
            throw NetlinkError(errno: EPROTO, operation: operation, message: "the kernel gave no number")
        }
        return family
    }

    /// Looks again, in case that the module was unloaded and loaded.
    mutating func resolve() throws(NetlinkError) { family = try Self.resolve(&socket) }

    /// Sends a request and hands the attributes of each answer to a closure; once more if IPVS's number has changed.
    mutating func request(
        _ command: Command, flags: MessageFlags, answer: Command, operation: String,
        _ write: (inout MessageBuffer) -> Void = { _ in }, onAnswer: (AttributeReader) -> Void
    ) throws(NetlinkError) {
        for isLast in [false, true] {
            let family = family
            do {
                try socket.request(type: family, flags: flags, operation: operation) {
                    $0.genericHeader(command.rawValue, version: familyVersion)
                    write(&$0)
                } onMessage: { message in
                    if let attributes = message.attributes(of: answer, family: family) { onAnswer(attributes) }
                }
                return
            } catch {
                // Nothing that is asked here answers so, but generic netlink itself.
                guard error.isAbsent, !isLast else { throw error }
                try resolve()
            }
        }
    }

    /// Makes sure that IPVS need not load a module that it must not; the module's name if that fails.
    mutating func unsafeModule(for operation: IPVSOperation) -> String? {
        switch operation {
        case .addVirtual(let server), .changeVirtual(let server):
            guard Scheduler.registersWithNamespaces(server.scheduler) else { return nil }
            let module = Scheduler.module(of: server.scheduler)
            return modules.prepare(module) ? nil : module
        default: return nil
        }
    }

    // MARK: - Settings

    /// The version of IPVS and the size of its table of connections.
    public mutating func information() throws(NetlinkError) -> Information {
        let operation = "asking for IPVS's version"
        var information: Information?
        try request(.getInformation, flags: [], answer: .setInformation, operation: operation) {
            information = Information($0)
        }
        return try Self.require(information, operation)
    }

    /// The timeouts of this namespace; 0 for a protocol that the kernel was built without.
    public mutating func timeouts() throws(NetlinkError) -> Timeouts {
        let operation = "reading IPVS's timeouts"
        var timeouts: Timeouts?
        try request(.getConfiguration, flags: [], answer: .setConfiguration, operation: operation) {
            timeouts = Timeouts($0)
        }
        return try Self.require(timeouts, operation)
    }

    /// Changes the timeouts of this namespace; one that is 0 stays as it is.
    ///
    /// - Throws: EINVAL for more seconds than the kernel can count.
    public mutating func setTimeouts(_ timeouts: Timeouts) throws(NetlinkError) {
        try request(
            .setConfiguration, flags: .acknowledge, answer: .setConfiguration, operation: "setting IPVS's timeouts",
            { $0.timeouts(timeouts) }, onAnswer: { _ in })
    }

    private static func require<Answer>(_ answer: Answer?, _ operation: String) throws(NetlinkError) -> Answer {
        guard let answer else {
            throw NetlinkError(errno: EPROTO, operation: operation, message: "the kernel's answer is not as expected")
        }
        return answer
    }
}
