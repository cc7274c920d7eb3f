import DataplaneTestKit

/// What a program sends to the kernel, as strace sees it.
enum NetlinkTrace {
    /// Whether strace is here and may look into other processes.
    static let isPossible =
        TestPrivilege.canMakeNamespaces && (try? hostProgram(["strace", "-o", "/dev/null", "true"]).status) == 0

    /// Runs a program in a namespace to its end; returns the rules that it asked the kernel to make, in order.
    static func rules(of command: [String], input: String? = nil, in namespace: NetworkNamespace) throws
        -> [RuleMessage]
    {
        // The calls themselves are of no use, since strace takes messages apart: what counts are dumps of all bytes.
        let strace = ["strace", "-f", "-e", "trace=sendto,sendmsg", "-e", "write=all", "-s", "0"]
        let result = try namespace.toolResult(strace + command, input: input)
        guard result.status == 0 else { throw ProgramFailure(command: command, result: result) }
        return RuleMessage.all(in: dumpedBytes(result.errors))
    }

    /// The bytes of all dumps one behind the other, from lines such as ` | 00010  02 00 00 00 0c 00 01 00  63 6f 6d 6d
    /// 65 6e 74 00  ........comment. |`.
    static func dumpedBytes(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) where line.starts(with: " | ".utf8) {
            // 16 bytes of three characters each, with a space in the middle, behind the offset and two spaces.
            let dump = line.dropFirst(3).drop { $0 != UInt8(ascii: " ") }.dropFirst(2).prefix(49)
            for digits in dump.split(separator: UInt8(ascii: " ")) {
                guard let byte = UInt8(Substring(digits), radix: 16) else { continue }
                bytes.append(byte)
            }
        }
        return bytes
    }
}

/// A message that makes a rule, taken apart.
struct RuleMessage: Equatable {
    /// `NLM_F_…` (linux/netlink.h).
    let flags: UInt16
    /// struct nfgenmsg: the family, the version, and the resource's number.
    let header: [UInt8]
    let attributes: [NetlinkAttribute]

    /// All messages of type `NFT_MSG_NEWRULE` of nf_tables in a run of bytes.
    static func all(in bytes: [UInt8]) -> [RuleMessage] {
        var messages: [RuleMessage] = []
        var rest = bytes[...]
        while rest.count >= 16 {
            let length = Int(rest.number(at: 0)) | Int(rest.number(at: 2)) << 16
            guard length >= 16, length <= rest.count else { break }
            let message = rest.prefix(length)
            if message.number(at: 4) == 0x0a06, length >= 20 {
                messages.append(
                    RuleMessage(
                        flags: message.number(at: 6), header: Array(message.dropFirst(16).prefix(4)),
                        attributes: NetlinkAttribute.all(in: message.dropFirst(20))))
            }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return messages
    }

    /// The name of the chain (`NFTA_RULE_CHAIN`).
    var chain: String? {
        for case .bytes(2, let name) in attributes { return String(decoding: name.dropLast(), as: UTF8.self) }
        return nil
    }
}

/// A netlink attribute with all bits of its type. The order of attributes counts.
///
/// What follows an attribute up to the next multiple of 4 bytes is nobody's, and not kept: senders may leave there what
/// their memory held.
enum NetlinkAttribute: Equatable {
    case bytes(UInt16, [UInt8])
    /// With `NLA_F_NESTED` in its type.
    case nest(UInt16, [NetlinkAttribute])

    static func all(in bytes: ArraySlice<UInt8>) -> [NetlinkAttribute] {
        var attributes: [NetlinkAttribute] = []
        var rest = bytes
        while rest.count >= 4 {
            let length = Int(rest.number(at: 0))
            guard length >= 4, length <= rest.count else { break }
            let (type, payload) = (rest.number(at: 2), rest.prefix(length).dropFirst(4))
            attributes.append(type & 0x8000 != 0 ? .nest(type, all(in: payload)) : .bytes(type, Array(payload)))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        // What is no attribute must not get lost.
        return rest.isEmpty ? attributes : attributes + [.bytes(.max, Array(rest))]
    }

    /// The same with counters that say nothing, if they count from 0.
    var withoutCounts: NetlinkAttribute {
        guard case .nest(let type, let content) = self else { return self }
        let none = [UInt8](repeating: 0, count: 8)
        // `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`; `NFTA_COUNTER_BYTES`, `NFTA_COUNTER_PACKETS`.
        let counter = NetlinkAttribute.bytes(1, Array("counter\0".utf8))
        if content == [counter, .nest(0x8002, [.bytes(1, none), .bytes(2, none)])] {
            return .nest(type, [counter, .nest(0x8002, [])])
        }
        return .nest(type, content.map(\.withoutCounts))
    }

    /// One line for each attribute within, for people.
    func lines(_ place: String) -> [String] {
        switch self {
        case .bytes(let type, let bytes):
            let digits = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            return ["\(place)/\(type): \(digits)"]
        case .nest(let type, let content):
            return content.flatMap { $0.lines("\(place)/\(String(type, radix: 16))") }
        }
    }
}

extension ArraySlice<UInt8> {
    /// A 16-bit number in host order, of what is known to be that long.
    fileprivate func number(at offset: Int) -> UInt16 {
        withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt16.self) }
    }
}
