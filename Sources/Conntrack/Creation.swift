internal import CNetfilter
package import Netlink
internal import NetlinkWire

extension ConntrackSocket {
    /// Makes entries without any packet, for tests and measurements. One that is there already is left as it is.
    ///
    /// - Parameter timeout: after how many seconds the kernel forgets them.
    /// - Returns: how many were made.
    @discardableResult
    package mutating func create(_ flows: [Flow], timeout: UInt32) throws(NetlinkError) -> Int {
        var outcome = BatchOutcome()
        try send(flows, IPCTNL_MSG_CT_NEW, [.create, .exclusive], "creating connections", &outcome) { flow, buffer in
            var zones: (original: UInt16?, reply: UInt16?) = (nil, nil)
            switch flow.zone {
            case .both(let zone)?: buffer.attribute(UInt16(CTA_ZONE.rawValue), bigEndian: zone)
            case .original(let zone)?: zones.original = zone
            case .reply(let zone)?: zones.reply = zone
            case nil: break
            }
            buffer.tuple(CTA_TUPLE_ORIG, flow.original, flow.transport, zone: zones.original)
            buffer.tuple(CTA_TUPLE_REPLY, flow.reply, flow.transport, zone: zones.reply)
            buffer.attribute(UInt16(CTA_TIMEOUT.rawValue), bigEndian: timeout)
            // The kernel confirms what it makes, and refuses a status that would undo it.
            let status = flow.status.union(.confirmed)
            buffer.attribute(UInt16(CTA_STATUS.rawValue), bigEndian: status.rawValue)
        }
        if let refusal = outcome.refusal { throw refusal }
        return outcome.done
    }
}
