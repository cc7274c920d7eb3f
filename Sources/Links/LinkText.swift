public import NetAddress

/// The lines with which `ip -batch` does what ``LinkSocket`` does.
public enum LinkText {
    /// Makes a dummy link with a text and sets it up.
    public static func write(addingDummy name: String, alias: String, to text: inout [UInt8]) {
        text += "link add \(name) type dummy\n".utf8
        text += "link set dev \(name) alias \"".utf8
        // ip knows no way to write a quote within quotes.
        text.append(contentsOf: alias.utf8.filter { $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\"") })
        text += "\"\n".utf8
        text += "link set dev \(name) arp off up\n".utf8
    }

    /// Removes a link.
    public static func write(removing name: String, to text: inout [UInt8]) {
        text += "link delete dev \(name)\n".utf8
    }

    /// `address add 10.96.0.1/32 dev svcctl0`.
    public static func write(adding address: IPAddress, to link: String, to text: inout [UInt8]) {
        text += "address add \(address)/\(address.family.addressBits) dev \(link)".utf8
        text += (address.family == .ipv6 ? " nodad\n" : "\n").utf8
    }

    /// `address delete 10.96.0.1/32 dev svcctl0`.
    public static func write(removing address: IPAddress, from link: String, to text: inout [UInt8]) {
        text += "address delete \(address)/\(address.family.addressBits) dev \(link)\n".utf8
    }
}
