internal import CNetfilter
internal import Glibc
public import Netlink
internal import NetlinkWire

/// Hears of every transaction that anybody makes in the network namespace where it was opened.
public struct NFTablesMonitor: ~Copyable {
    /// One transaction of somebody's.
    public struct Commit: Hashable, Sendable {
        /// The number of the ruleset that it made.
        public var generation: UInt32
        /// Who made it, where the kernel says so: the number of the thread, as the machine's first process numbers it,
        /// and the thread's name. One's own transactions are better known by their generation.
        public var processID: UInt32?
        public var processName: String?
        /// Whether it changed anything in a table of a watched name.
        public var touchesTable: Bool
    }

    private var socket: NetlinkSocket
    private let tables: Set<String>
    /// What has been heard of the transaction whose end has not.
    private var touchesTable = false

    /// In bytes: a transaction of ten thousand services tells of some two hundred thousand elements.
    public static let usualBufferSize: Int32 = 8 << 20

    /// Begins to listen. What happens before does not count: read the ruleset after this.
    public init(table: String, bufferSize: Int32 = usualBufferSize) throws(NetlinkError) {
        try self.init(tables: [table], bufferSize: bufferSize)
    }

    /// The same for tables of several names.
    public init(tables: Set<String>, bufferSize: Int32 = usualBufferSize) throws(NetlinkError) {
        let socket = try NetlinkSocket(.netfilter)
        try socket.join(group: UInt32(NFNLGRP_NFTABLES.rawValue), bufferSize: bufferSize)
        self.socket = socket
        self.tables = tables
    }

    /// The descriptor to wait on with `poll`, for as long as the monitor lives.
    public var descriptor: Int32 { socket.descriptor }

    /// Stops listening for a while. The kernel makes a message of a page or two for each element of a transaction, and keeps
    /// all of them until its end, as long as anybody listens: gigabytes where there are some hundred thousand.
    public func pause() throws(NetlinkError) { try socket.leave(group: UInt32(NFNLGRP_NFTABLES.rawValue)) }

    /// Listens again. What happened meanwhile is not told; the ruleset's generation shows whether anything did.
    public func resume() throws(NetlinkError) { try socket.join(group: UInt32(NFNLGRP_NFTABLES.rawValue)) }

    /// How many objects a transaction may have that is listened to.
    public static let mostObjects = 2000

    /// The transactions that were heard of since the last call, in order.
    ///
    /// - Returns: nil if the kernel had to leave out messages: anything may have happened.
    public mutating func commits() throws(NetlinkError) -> [Commit]? {
        var heard = Heard(tables: tables, touchesTable: touchesTable)
        var isComplete = true
        while true {
            do {
                try socket.receiveWaiting("listening to the kernel's rules") { heard.add($0) }
                break
            } catch {
                guard error.errno == ENOBUFS else { throw error }
                isComplete = false
            }
        }
        // The end of a transaction may be among what is missing.
        touchesTable = isComplete && heard.touchesTable
        return isComplete ? heard.commits : nil
    }
}

/// Puts messages together to transactions: what was changed comes first, and then the number that it made.
private struct Heard {
    let tables: Set<String>
    var touchesTable: Bool
    var commits: [NFTablesMonitor.Commit] = []

    mutating func add(_ message: Message) {
        guard message.type >> 8 == UInt16(NFNL_SUBSYS_NFTABLES) else { return }
        let attributes = message.attributes(after: netfilterHeaderLength)
        guard message.type & 0xff == UInt16(NFT_MSG_NEWGEN.rawValue) else {
            // Every kind of object has the name of its table, or of itself if it is one, as the first attribute.
            let name = attributes.first(UInt16(NFTA_TABLE_NAME.rawValue))?.string
            if let name, tables.contains(name) { touchesTable = true }
            return
        }
        guard let generation: UInt32 = attributes.first(UInt16(NFTA_GEN_ID.rawValue))?.bigEndian() else { return }
        commits.append(
            NFTablesMonitor.Commit(
                generation: generation, processID: attributes.first(UInt16(NFTA_GEN_PROC_PID.rawValue))?.bigEndian(),
                processName: attributes.first(UInt16(NFTA_GEN_PROC_NAME.rawValue))?.string, touchesTable: touchesTable))
        touchesTable = false
    }
}
