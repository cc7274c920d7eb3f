public import NetAddress

// As `ipvsadm -S -n` of ipvsadm 1.31 prints them, with the thresholds that it leaves out.

extension IPVSOperation: CustomStringConvertible {
    /// A line for `ipvsadm -R`, without its end: `-A -t 10.0.0.1:80 -s rr`, `-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 1`.
    public var description: String { written { write(to: &$0) } }

    /// Writes ``description``, at most 240 bytes.
    public func write(to text: inout TextCursor) {
        switch self {
        case .addVirtual(let server):
            text.put("-A " as StaticString)
            server.write(to: &text)
        case .changeVirtual(let server):
            text.put("-E " as StaticString)
            server.write(to: &text)
        case .removeVirtual(let id):
            text.put("-D " as StaticString)
            id.write(to: &text)
        case .addReal(let server, let id):
            text.put("-a " as StaticString)
            server.write(to: &text, of: id)
        case .changeReal(let server, let id):
            text.put("-e " as StaticString)
            server.write(to: &text, of: id)
        case .removeReal(let server, let id):
            text.put("-d " as StaticString)
            id.write(to: &text)
            text.put(" -r " as StaticString)
            server.write(to: &text)
        }
    }
}

extension VirtualServerID: CustomStringConvertible {
    /// `-t 10.0.0.1:80`, `-u [fd00::1]:53`, `--sctp-service 10.0.0.1:80`, `-f 1`, `-f 1 -6`.
    public var description: String { written { write(to: &$0) } }

    func write(to text: inout TextCursor) {
        switch self {
        case .address(let address, let transport, let port):
            switch transport {
            case .tcp: text.put("-t " as StaticString)
            case .udp: text.put("-u " as StaticString)
            case .sctp: text.put("--sctp-service " as StaticString)
            }
            text.put(address, port: port)
        case .mark(let mark, let family):
            text.put("-f " as StaticString)
            text.put(decimal: mark)
            if family == .ipv6 { text.put(" -6" as StaticString) }
        }
    }
}

extension RealServerID: CustomStringConvertible {
    /// `10.1.0.1:8080`, `[fd00::1]:8080`.
    public var description: String { written { write(to: &$0) } }

    func write(to text: inout TextCursor) { text.put(address, port: port) }
}

extension VirtualServer {
    fileprivate func write(to text: inout TextCursor) {
        id.write(to: &text)
        text.put(" -s " as StaticString)
        text.put(scheduler)
        if flags.contains(.persistent) {
            text.put(" -p " as StaticString)
            text.put(decimal: persistenceTimeout)
            if !persistenceMask.isFull {
                text.put(" -M " as StaticString)
                persistenceMask.write(to: &text)
            }
        }
        if let persistenceEngine {
            text.put(" --pe " as StaticString)
            text.put(persistenceEngine)
        }
        if flags.contains(.onePacket) { text.put(" -o" as StaticString) }
        writeSchedulerFlags(to: &text)
    }

    private func writeSchedulerFlags(to text: inout TextCursor) {
        let names = Scheduler.named(scheduler)?.flags ?? []
        var isFirst = true
        for (flag, number) in zip([Flags.schedulerFlag1, .schedulerFlag2, .schedulerFlag3], ["1", "2", "3"])
        where flags.contains(flag) {
            if isFirst { text.put(" -b " as StaticString) } else { text.put(UInt8(ascii: ",")) }
            isFirst = false
            if let name = names.first(where: { $0.flag == flag })?.name {
                text.put(name)
            } else {
                text.put("flag-" as StaticString)
                text.put(number)
            }
        }
    }
}

extension PersistenceMask {
    fileprivate func write(to text: inout TextCursor) {
        switch family {
        case .ipv4: IPAddress(ipv4: number).write(to: &text)
        case .ipv6: text.put(decimal: number)
        }
    }
}

extension RealServer {
    fileprivate func write(to text: inout TextCursor, of id: VirtualServerID) {
        id.write(to: &text)
        text.put(" -r " as StaticString)
        self.id.write(to: &text)
        switch forwarding {
        case .masquerade: text.put(" -m -w " as StaticString)
        case .tunnel: text.put(" -i -w " as StaticString)
        // There is no option for these; the stock tool prints the same.
        case .direct, .local, .other: text.put(" -g -w " as StaticString)
        }
        text.put(decimal: weight)
        if forwarding == .tunnel { tunnel.write(to: &text) }
        if upperThreshold != 0 {
            text.put(" -x " as StaticString)
            text.put(decimal: upperThreshold)
        }
        if lowerThreshold != 0 {
            text.put(" -y " as StaticString)
            text.put(decimal: lowerThreshold)
        }
    }
}

extension Tunnel {
    fileprivate func write(to text: inout TextCursor) {
        switch kind {
        case .ipip, .other: text.put(" --tun-type ipip" as StaticString)
        case .gue:
            text.put(" --tun-type gue --tun-port " as StaticString)
            text.put(decimal: UInt32(port))
            writeChecksum(to: &text)
        case .gre:
            text.put(" --tun-type gre" as StaticString)
            writeChecksum(to: &text)
        }
    }

    private func writeChecksum(to text: inout TextCursor) {
        if checksum.contains(.full) {
            text.put(" --tun-csum" as StaticString)
        } else if checksum.contains(.remote) {
            text.put(" --tun-remcsum" as StaticString)
        } else {
            text.put(" --tun-nocsum" as StaticString)
        }
    }
}

extension TextCursor {
    fileprivate mutating func put(_ address: IPAddress, port: UInt16) {
        if address.family == .ipv6 { put(UInt8(ascii: "[")) }
        address.write(to: &self)
        if address.family == .ipv6 { put(UInt8(ascii: "]")) }
        put(UInt8(ascii: ":"))
        put(decimal: UInt32(port))
    }
}

/// The text that a closure writes, at most 240 bytes of it.
private func written(_ write: (inout TextCursor) -> Void) -> String {
    withUnsafeTemporaryAllocation(byteCount: 240, alignment: 1) { memory in
        var cursor = TextCursor(memory)
        write(&cursor)
        return String(decoding: cursor.bytes, as: UTF8.self)
    }
}
