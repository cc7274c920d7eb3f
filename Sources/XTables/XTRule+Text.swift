public import NetAddress

// As iptables-save prints rules.

extension XTRule {
    /// The rule as iptables-save 1.8.9 prints it after `-A CHAIN`, for example
    /// `-d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j WEB`; empty for a rule that has nothing.
    ///
    /// Names with characters that would end a word are put in quotes, where iptables-save itself would print what
    /// cannot be loaded.
    public func text(_ family: IPFamily) -> String {
        var text: [UInt8] = []
        write(to: &text, family)
        return String(decoding: text.dropFirst(), as: UTF8.self)
    }

    /// Appends the text with a space before it, if there is any.
    func write(to text: inout [UInt8], _ family: IPFamily) {
        for match in matches where match.rank < XTMatch.lastRank { match.write(to: &text, family) }
        if let transport { text += " -p \(transport)".utf8 }
        for match in matches where match.rank == XTMatch.lastRank { match.write(to: &text, family) }
        target?.write(to: &text, family)
    }
}

extension XTMatch {
    fileprivate func write(to text: inout [UInt8], _ family: IPFamily) {
        switch self {
        case .source(let block, let inverted): text += "\(not(inverted)) -s \(block)".utf8
        case .destination(let block, let inverted): text += "\(not(inverted)) -d \(block)".utf8
        case .destinationLowBits(let value, let count):
            let mask = Self.lowMask(count)
            text += (family == .ipv4 ? " -d 0.0.0.\(value)/0.0.0.\(mask)" : " -d \(lowest(value))/\(lowest(mask))").utf8
        case .inputInterface(let name, let isPrefix, let inverted):
            text += "\(not(inverted)) -i".utf8
            text.appendWord(isPrefix ? name + "+" : name)
        case .transport: break
        case .destinationPort(let transport, let port): text += " -m \(transport) --dport \(port)".utf8
        case .mark(let value, let mask, let inverted):
            text += " -m mark\(not(inverted)) --mark \(hex(value))".utf8
            if mask != .max { text += "/\(hex(mask))".utf8 }
        case .addressType(let source, let isLocal):
            text += " -m addrtype\(not(!isLocal)) --\(source ? "src" : "dst")-type LOCAL".utf8
        case .statistic(let probability):
            text += " -m statistic --mode random --probability ".utf8
            Self.write(probability: probability, to: &text)
        case .connectionIsNew: text += " -m conntrack --ctstate NEW".utf8
        case .connectionIsRedirected: text += " -m conntrack --ctstate DNAT".utf8
        case .sourceIsDestination: text += " -m bpf --bytecode \"\(BPFProgram.sourceIsDestination(family).text)\"".utf8
        case .recentCheck(let name, let seconds, let reap):
            text += " -m recent --rcheck".utf8
            if seconds > 0 { text += " --seconds \(seconds)".utf8 }
            if reap { text += " --reap".utf8 }
            Self.write(recent: name, to: &text, family)
        case .recentSet(let name):
            text += " -m recent --set".utf8
            Self.write(recent: name, to: &text, family)
        case .connectionsAbove(let count, let length):
            text += " -m connlimit --connlimit-above \(count) --connlimit-mask \(length) --connlimit-saddr".utf8
        case .rateAbove(let rate, let burst, let name, let expire):
            text += " -m hashlimit --hashlimit-above \(rate)/sec --hashlimit-burst \(burst)".utf8
            text += " --hashlimit-mode srcip --hashlimit-name".utf8
            text.appendWord(name)
            // A second is what iptables takes by itself.
            if expire != 1000 { text += " --hashlimit-htable-expire \(expire)".utf8 }
        case .set(let name, let directions, let inverted):
            text += " -m set\(not(inverted)) --match-set".utf8
            text.appendWord(name)
            text += " \(directions.text)".utf8
        case .ipvs(let match): text += " -m ipvs\(match.text)".utf8
        case .comment(let comment):
            text += " -m comment --comment".utf8
            text.appendText(comment)
        }
    }

    private static func write(recent name: String, to text: inout [UInt8], _ family: IPFamily) {
        text += " --name".utf8
        text.appendWord(name)
        text += " --mask ".utf8
        text += (family == .ipv4 ? "255.255.255.255" : "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").utf8
        text += " --rsource".utf8
    }

    /// Eleven decimals, half to even as C has it: 5¹¹ / 2²⁰ of the number is the part of 2³¹ times 10¹¹.
    private static func write(probability: UInt32, to text: inout [UInt8]) {
        let scaled = UInt64(probability) * 48_828_125
        var parts = scaled >> 20
        let rest = scaled & 0xf_ffff
        if rest > 0x8_0000 || (rest == 0x8_0000 && parts % 2 == 1) { parts += 1 }
        let whole = parts / 100_000_000_000
        let decimals = String(parts % 100_000_000_000)
        text += "\(whole).\(String(repeating: "0", count: 11 - decimals.utf8.count))\(decimals)".utf8
    }
}

extension XTTarget {
    fileprivate func write(to text: inout [UInt8], _ family: IPFamily) {
        switch self {
        case .jump(let chain):
            text += " -j".utf8
            text.appendWord(chain)
        case .goto(let chain):
            text += " -g".utf8
            text.appendWord(chain)
        case .accept: text += " -j ACCEPT".utf8
        case .drop: text += " -j DROP".utf8
        case .return: text += " -j RETURN".utf8
        case .setMark(let value, let mask): text += " -j MARK --set-xmark \(hex(value))/\(hex(mask))".utf8
        case .masquerade(let isRandom): text += " -j MASQUERADE\(isRandom ? " --random-fully" : "")".utf8
        case .redirect(let address, let port):
            let host = address.family == .ipv4 ? "\(address)" : "[\(address)]"
            text += " -j DNAT --to-destination \(host):\(port)".utf8
        case .mapMark(let name, let directions):
            text += " -j SET --map-set".utf8
            text.appendWord(name)
            text += " \(directions.text) --map-mark".utf8
        case .reject:
            text += " -j REJECT --reject-with icmp\(family == .ipv4 ? "" : "6")-port-unreachable".utf8
        }
    }
}

extension [UInt8] {
    /// Appends a name, in quotes only if it would not be one word without them.
    mutating func appendWord(_ word: String) {
        let isPlain = word.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && !Self.escaped.contains($0) }
        guard !isPlain || word.isEmpty else {
            append(UInt8(ascii: " "))
            return append(contentsOf: word.utf8)
        }
        appendQuoted(word)
    }

    /// Appends a text, in quotes unless it has just letters, digits, `_` and `-`, as iptables does.
    mutating func appendText(_ text: String) {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isPlain, !text.isEmpty else { return appendQuoted(text) }
        append(UInt8(ascii: " "))
        append(contentsOf: text.utf8)
    }

    /// Appends a text in quotes. A line's end has no place in a restore file, whatever the quotes.
    private mutating func appendQuoted(_ text: String) {
        append(UInt8(ascii: " "))
        append(UInt8(ascii: "\""))
        for byte in text.utf8 where byte >= 0x20 && byte != 0x7f {
            if Self.escaped.contains(byte) { append(UInt8(ascii: "\\")) }
            append(byte)
        }
        append(UInt8(ascii: "\""))
    }

    private static let escaped: [UInt8] = [UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "'")]
}

private func not(_ inverted: Bool) -> String { inverted ? " !" : "" }
/// An IPv6 address that has nothing but its last byte.
private func lowest(_ byte: UInt8) -> IPAddress { IPAddress(ipv6: 0, UInt64(byte)) }
private func hex(_ number: UInt32) -> String { "0x" + String(number, radix: 16) }
