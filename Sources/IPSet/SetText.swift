internal import NetAddress

// As `ipset save` prints, and `ipset restore` reads.

extension SetSpec {
    /// `create NAME hash:ip,port family inet hashsize 1024 maxelem 65536 skbinfo`.
    public var text: String { text(hashSize: hashSize ?? 1024, ending: "") }

    /// Appends ``text`` and a line's end.
    public func write(to text: inout [UInt8]) { text += "\(self.text)\n".utf8 }

    /// The same with what the kernel has added.
    func text(hashSize: UInt32, ending: String) -> String {
        var text = "create \(name) \(type.rawValue)"
        if type.isHash {
            text += " family \(family.setFamily) hashsize \(hashSize) maxelem \(maxElements)"
        } else {
            text += " range 0-65535"
        }
        if let timeout { text += " timeout \(timeout)" }
        if withCounters { text += " counters" }
        if withComments { text += " comment" }
        if withSkbInfo { text += " skbinfo" }
        return text + ending
    }
}

extension SetElement {
    /// `10.96.0.10,tcp:80`, without the mark.
    public var text: String {
        withUnsafeTemporaryAllocation(byteCount: Self.textLength, alignment: 1) { memory in
            var line = TextCursor(memory)
            write(to: &line)
            return String(decoding: line.bytes, as: UTF8.self)
        }
    }

    /// Appends `add NAME 10.96.0.10,tcp:80 comment "shop/web" skbmark 0x4000/0x4000` and a line's end.
    public func write(adding set: String, to text: inout [UInt8]) {
        write("add ", set, to: &text)
        if let comment { text += " comment \"\(comment)\"".utf8 }
        if let mark {
            text += " skbmark 0x\(String(mark.value, radix: 16))".utf8
            if mark.mask != .max { text += "/0x\(String(mark.mask, radix: 16))".utf8 }
        }
        text.append(UInt8(ascii: "\n"))
    }

    /// Appends `del NAME 10.96.0.10,tcp:80` and a line's end.
    public func write(deletingFrom set: String, to text: inout [UInt8]) {
        write("del ", set, to: &text)
        text.append(UInt8(ascii: "\n"))
    }

    private func write(_ command: String, _ set: String, to text: inout [UInt8]) {
        text += command.utf8
        text += set.utf8
        text.append(UInt8(ascii: " "))
        withUnsafeTemporaryAllocation(byteCount: Self.textLength, alignment: 1) { memory in
            var line = TextCursor(memory)
            write(to: &line)
            text.append(contentsOf: line.bytes)
        }
    }

    /// Two IPv6 addresses, a protocol and a port.
    private static let textLength = 128

    private func write(to line: inout TextCursor) {
        switch key {
        case .address(let address): address.write(to: &line)
        case .addressPort(let address, let transport, let port):
            address.write(to: &line)
            line.put(transport, port)
        case .addressPortAddress(let address, let transport, let port, let other):
            address.write(to: &line)
            line.put(transport, port)
            line.put(UInt8(ascii: ","))
            other.write(to: &line)
        case .addressPortNetwork(let address, let transport, let port, let block):
            address.write(to: &line)
            line.put(transport, port)
            line.put(UInt8(ascii: ","))
            line.put(block)
        case .network(let block): line.put(block)
        case .networkPort(let block, let transport, let port):
            line.put(block)
            line.put(transport, port)
        case .port(let port): line.put(decimal: UInt32(port))
        }
    }
}

extension TextCursor {
    fileprivate mutating func put(_ transport: TransportProtocol, _ port: UInt16) {
        put(UInt8(ascii: ","))
        transport.write(to: &self)
        put(UInt8(ascii: ":"))
        put(decimal: UInt32(port))
    }

    /// ipset prints a block of one address without its length.
    fileprivate mutating func put(_ block: CIDR) {
        block.address.write(to: &self)
        guard block.prefixLength != block.family.addressBits else { return }
        put(UInt8(ascii: "/"))
        put(decimal: UInt32(truncatingIfNeeded: block.prefixLength))
    }
}
