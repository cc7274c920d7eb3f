/// One instruction of a rule as the kernel runs it (linux/netfilter/nf_tables.h).
///
/// Rules are compared, and packets traced, at this level: it is what the kernel gives back.
public enum Expression: Hashable, Sendable {
    /// Loads bytes of a header.
    case payload(base: PayloadBase, offset: UInt32, length: UInt32, Register)
    /// Loads a property of the packet.
    case meta(MetaKey, Register)
    /// Stores a register into a property of the packet.
    case setMeta(MetaKey, Register)
    /// Writes a register into a header. The checksum of the transport header is kept right where that covers the field,
    /// and so is the header's own, if its offset is given.
    case setPayload(base: PayloadBase, offset: UInt32, length: UInt32, Register, checksumOffset: UInt32?)
    /// Loads a property of the packet's connection.
    case connection(ConnectionKey, Register)
    /// Loads an address or port of one direction of the packet's connection.
    case connectionTuple(ConnectionKey, TupleDirection, Register)
    /// Loads what kind of address the routing table takes the source or destination for (RTN_*).
    case addressType(RouteLookup, Register)
    /// Loads a random number from 0 up to, but not including, the modulus.
    case random(modulus: UInt32, Register)
    /// Loads 0, 1, 2… up to, but not including, the modulus, and then 0 again. Each rule has a counter of its own.
    case increment(modulus: UInt32, Register)
    /// Loads Jenkins' hash of so many bytes of a register (`jhash` of linux/jhash.h, the seed being its initial value),
    /// scaled down to 0 up to, but not including, the modulus: hash × modulus / 2³² (`reciprocal_scale`).
    case hash(Register, length: UInt32, seed: UInt32, modulus: UInt32, Register)
    /// register = (register & mask) ^ xor, in place.
    case bitwise(Register, mask: [UInt8], xor: [UInt8])
    /// Swaps the bytes of each number of `size` bytes within the first `length` bytes of a register.
    ///
    /// Where a rule looks for the protocol, one byte, in a set of ranges, nft 1.0.6 asks for this with a size of 2. It does
    /// nothing, and Linux 6.12.117 refuses it. We do not send it, and read rules as if they did not have it.
    case toNetworkOrder(Register, length: UInt32, size: UInt32)
    /// Goes on with the rule only if the register holds these bytes, or others.
    case compare(Register, Comparison, [UInt8])
    /// Goes on only if the set holds the register's value (or does not, if inverted); a map's datum goes to
    /// `destination`.
    case lookup(set: String, Register, destination: Register?, inverted: Bool)
    /// Adds an element to a set or map, refreshes or deletes it: the key and the datum are in registers. Goes on only if
    /// that was done, and the element's expression says so. A timeout of 0 milliseconds is the set's own.
    case updateSet(SetOperation, set: String, key: Register, data: Register?, timeout: UInt64, StatefulExpression?)
    /// Redirects the connection to the address and port in the registers.
    case destinationNAT(familyNumber: UInt32, address: Register, port: Register?)
    /// Gives the connection the outgoing interface's address as its source.
    case masquerade(flags: UInt32)
    /// Decides what happens next.
    case verdict(Verdict)
    /// Answers with an error and drops.
    case reject(type: UInt32, code: UInt8)
    /// Counts packets and bytes, and never ends a rule. The counts are no part of it.
    case counter
    /// A match of the older packet filter (`nft_compat`): goes on only if its extension says so. The payload is the
    /// extension's structure (linux/netfilter/xt_*.h), padded to a multiple of 8 bytes. What the kernel keeps there for
    /// itself, at the end, reads back as zeros.
    case match(name: String, revision: UInt32, payload: [UInt8])
    /// A target of the older packet filter, likewise.
    case target(name: String, revision: UInt32, payload: [UInt8])
    /// Anything that no rule of ours has; it compares by its name and never equals a rule of ours.
    case other(name: String)
}

/// Which header a payload expression reads (`enum nft_payload_bases`).
public enum PayloadBase: UInt32, Hashable, Sendable {
    case link = 0
    case network = 1
    case transport = 2
}

/// Properties of a packet (`enum nft_meta_keys`).
public enum MetaKey: UInt32, Hashable, Sendable {
    case mark = 3
    case inputInterfaceName = 6
    case transportProtocol = 16
}

/// Properties of a connection (`enum nft_ct_keys`).
public enum ConnectionKey: UInt32, Hashable, Sendable {
    case state = 0
    case status = 2
    case transportProtocol = 10
    case destinationPort = 12
    case sourceIPv4 = 19
    case destinationIPv4 = 20
    case sourceIPv6 = 21
    case destinationIPv6 = 22
}

/// Which of a connection's two tuples (`enum ip_conntrack_dir`).
public enum TupleDirection: UInt8, Hashable, Sendable {
    /// As the client sent the first packet.
    case original = 0
    /// As the answers come: the source is whoever the connection was redirected to.
    case reply = 1
}

/// What a rule does with an element (`enum nft_dynset_ops`).
public enum SetOperation: UInt32, Hashable, Sendable {
    /// Adds it if it is not there.
    case add = 0
    /// Adds it, or starts its timeout anew; the datum of one that is there stays.
    case update = 1
    /// Deletes it.
    case delete = 2
}

/// An expression with a memory, as an element of a set can have it: evaluated at each look-up that finds the element.
public enum StatefulExpression: Hashable, Sendable {
    case counter
    /// Matches only what comes faster than so many in a second, after a burst.
    case rateOver(perSecond: UInt64, burst: UInt32)
    /// Matches only while the element has more connections than that.
    case connectionsOver(UInt32)
}

/// Which address a route look-up asks about (`NFTA_FIB_F_SADDR`, `NFTA_FIB_F_DADDR`).
public enum RouteLookup: UInt32, Hashable, Sendable {
    case source = 1
    case destination = 2
}

/// `enum nft_cmp_ops`, the two that compare for equality.
public enum Comparison: UInt32, Hashable, Sendable {
    case equal = 0
    case notEqual = 1
}

/// Where a packet goes after a rule (`enum nft_verdicts`, `NF_ACCEPT`, `NF_DROP`).
public enum Verdict: Hashable, Sendable {
    case accept
    case drop
    case `continue`
    case `return`
    /// To another chain, and back here when that ends.
    case jump(String)
    /// To another chain, for good.
    case goto(String)
    case other(Int32)
}

extension Expression: CustomStringConvertible {
    /// The form that `nft --debug=netlink` prints.
    public var description: String {
        func hex(_ bytes: [UInt8]) -> String {
            "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        switch self {
        case .payload(let base, let offset, let length, let register):
            return "[ payload load \(length)b @ \(base) header + \(offset) => reg \(register.number) ]"
        case .meta(let key, let register): return "[ meta load \(key.name) => reg \(register.number) ]"
        case .setMeta(let key, let register): return "[ meta set \(key.name) with reg \(register.number) ]"
        case .setPayload(let base, let offset, let length, let register, _):
            return "[ payload write reg \(register.number) => \(length)b @ \(base) header + \(offset) ]"
        case .connection(let key, let register): return "[ ct load \(key.name) => reg \(register.number) ]"
        case .connectionTuple(let key, let direction, let register):
            return "[ ct load \(key.name) => reg \(register.number) , dir \(direction) ]"
        case .addressType(let which, let register):
            return "[ fib \(which == .source ? "saddr" : "daddr") type => reg \(register.number) ]"
        case .random(let modulus, let register): return "[ numgen reg \(register.number) = random mod \(modulus) ]"
        case .increment(let modulus, let register): return "[ numgen reg \(register.number) = inc mod \(modulus) ]"
        case .hash(let source, let length, let seed, let modulus, let register):
            let hash = "jhash(reg \(source.number), \(length), 0x\(String(seed, radix: 16)))"
            return "[ hash reg \(register.number) = \(hash) % mod \(modulus) ]"
        case .bitwise(let register, let mask, let xor):
            return "[ bitwise reg \(register.number) = ( reg \(register.number) & \(hex(mask)) ) ^ \(hex(xor)) ]"
        case .toNetworkOrder(let register, let length, let size):
            return "[ byteorder reg \(register.number) = hton(reg \(register.number), \(size), \(length)) ]"
        case .compare(let register, let comparison, let bytes):
            return "[ cmp \(comparison == .equal ? "eq" : "neq") reg \(register.number) \(hex(bytes)) ]"
        case .lookup(let set, let register, let destination, let inverted):
            let target = destination.map { " dreg \($0.number)" } ?? ""
            return "[ lookup reg \(register.number) set \(set)\(target)\(inverted ? " 0x1" : "") ]"
        case .updateSet(let operation, let set, let key, let data, let timeout, let expression):
            let dataPart = data.map { " sreg_data \($0.number)" } ?? ""
            let timeoutPart = timeout > 0 ? " timeout \(timeout)ms" : ""
            let expressionPart = expression.map { " expr [ \($0) ]" } ?? ""
            return "[ dynset \(operation) reg_key \(key.number) set \(set)\(dataPart)\(timeoutPart)\(expressionPart) ]"
        case .destinationNAT(_, let address, let port):
            let portPart = port.map { " proto_min reg \($0.number)" } ?? ""
            return "[ nat dnat addr_min reg \(address.number)\(portPart) ]"
        case .masquerade(let flags): return "[ masq flags 0x\(String(flags, radix: 16)) ]"
        case .verdict(let verdict): return "[ \(verdict) ]"
        case .reject(let type, let code): return "[ reject type \(type) code \(code) ]"
        case .counter: return "[ counter ]"
        case .match(let name, let revision, _): return "[ match name \(name) rev \(revision) ]"
        case .target(let name, let revision, _): return "[ target name \(name) rev \(revision) ]"
        case .other(let name): return "[ \(name) … ]"
        }
    }
}

extension MetaKey {
    var name: String {
        switch self {
        case .mark: "mark"
        case .inputInterfaceName: "iifname"
        case .transportProtocol: "l4proto"
        }
    }
}

extension ConnectionKey {
    var name: String {
        switch self {
        case .state: "state"
        case .status: "status"
        case .transportProtocol: "protocol"
        case .destinationPort: "proto_dst"
        case .sourceIPv4: "src_ip"
        case .destinationIPv4: "dst_ip"
        case .sourceIPv6: "src_ip6"
        case .destinationIPv6: "dst_ip6"
        }
    }
}

extension StatefulExpression: CustomStringConvertible {
    /// As nft writes it.
    public var description: String {
        switch self {
        case .counter: "counter"
        case .rateOver(let rate, let burst):
            // nft leaves out the burst that it would take by itself.
            "limit rate over \(rate)/second" + (burst == 5 ? "" : " burst \(burst) packets")
        case .connectionsOver(let count): "ct count over \(count)"
        }
    }
}

extension Verdict: CustomStringConvertible {
    /// As nft writes it.
    public var description: String {
        switch self {
        case .accept: "accept"
        case .drop: "drop"
        case .continue: "continue"
        case .return: "return"
        case .jump(let chain): "jump \(chain)"
        case .goto(let chain): "goto \(chain)"
        case .other(let code): "verdict \(code)"
        }
    }
}
