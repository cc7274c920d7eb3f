internal import Glibc
public import Netlink
internal import NetlinkWire

extension IPVSSocket {
    /// Does what a batch says, and returns what the kernel refused, in the batch's order.
    ///
    /// Many operations go to the kernel in one call, which works through them before it returns. Only the last is
    /// answered if all is well.
    ///
    /// - Throws: if it is not known what was done: ENOBUFS if answers were lost, EPROTO if there was none, and whatever
    ///   kept operations from being sent. Those before them are done then.
    public mutating func send(_ batch: IPVSBatch) throws(NetlinkError) -> [Refusal] {
        guard !batch.isEmpty else { return [] }
        try resolve()
        let answers = socket.reserveReceiveBuffer(min(batch.count, Self.mostPerPiece) * bytesPerAnswer)
        let piece = PieceSize(bytes: pieceBytes, count: max(answers / bytesPerAnswer, 1))
        var refusals: [Refusal] = []
        var rest = batch.entries[...]
        while !rest.isEmpty { refusals += try sendPiece(of: &rest, piece) }
        return refusals
    }

    /// What one call takes.
    private struct PieceSize {
        /// No operation is added to so many bytes.
        var bytes: Int
        /// The answers to so many operations are sure to fit into the socket.
        var count: Int
    }

    /// Sends as many operations as fit one call, and takes them off. An entry's index is its place in the batch.
    private mutating func sendPiece(
        of rest: inout ArraySlice<IPVSBatch.Entry>, _ size: PieceSize
    ) throws(NetlinkError) -> [Refusal] {
        let operation = "writing to IPVS"
        var buffer = MessageBuffer(capacity: min(rest.count * 192, size.bytes + 512))
        var refusals: [Refusal] = []
        var sent: [(index: Int, entry: IPVSBatch.Entry)] = []
        var last = 0
        while let entry = rest.first, sent.count < size.count, buffer.count < size.bytes {
            let index = rest.startIndex
            rest.removeFirst()
            if let refusal = refuse(entry, index: index, operation) {
                refusals.append(refusal)
                continue
            }
            // Sequence numbers are places among what is sent.
            last = buffer.openMessage(type: family, flags: .request, sequence: UInt32(truncatingIfNeeded: sent.count))
            buffer.request(entry.operation)
            buffer.closeMessage(last)
            sent.append((index, entry))
        }
        guard !sent.isEmpty else { return refusals }
        buffer.add(.acknowledge, toMessageAt: last)

        let answers = try socket.commit(buffer, operation: operation, needsAll: true)
        guard answers.contains(where: { Int($0.sequence) == sent.count - 1 }) else {
            throw NetlinkError(errno: EPROTO, operation: operation, message: "the kernel did not answer")
        }
        for answer in answers where answer.errno != 0 {
            let place = Int(answer.sequence)
            guard sent.indices.contains(place) else { continue }
            let error = NetlinkError(
                errno: answer.errno, operation: operation, message: answer.message, offset: answer.offset)
            refusals.append(Refusal(index: sent[place].index, entry: sent[place].entry, error: error))
        }
        refusals.sort { $0.index < $1.index }
        return refusals
    }

    /// Refuses what must not get to the kernel.
    private mutating func refuse(_ entry: IPVSBatch.Entry, index: Int, _ operation: String) -> Refusal? {
        if let flaw = entry.operation.flaw {
            let error = NetlinkError(errno: EINVAL, operation: operation, message: flaw)
            return Refusal(index: index, entry: entry, error: error)
        }
        if let module = unsafeModule(for: entry.operation) {
            let error = NetlinkError(errno: EPERM, operation: operation)
            return Refusal(index: index, entry: entry, error: error, reason: .moduleNotLoaded(module))
        }
        return nil
    }

    /// No piece has more operations, so that the receive buffer need not be larger.
    private static let mostPerPiece = 1024
}

extension IPVSOperation {
    /// Why the kernel would not take it for what it is meant to be; nil if it is up to the kernel.
    fileprivate var flaw: String? {
        if case .mark(0, _) = virtualServer { return "0 is no mark" }
        switch self {
        case .addVirtual(let server), .changeVirtual(let server):
            let names = [server.scheduler, server.persistenceEngine ?? "none"]
            return names.lazy.compactMap(Self.flaw).first
        default: return nil
        }
    }

    /// Names are of 1 to 15 bytes without a zero byte (IP_VS_SCHEDNAME_MAXLEN, IP_VS_PENAME_MAXLEN).
    private static func flaw(ofName name: String) -> String? {
        (1...15).contains(name.utf8.count) && !name.utf8.contains(0) ? nil : "a name has 1 to 15 bytes"
    }
}
