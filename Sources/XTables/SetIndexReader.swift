internal import Glibc
public import NFTables

/// Why the number or name of a set could not be read.
public struct SetIndexError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A positive errno. ENOPROTOOPT: the kernel has no ip_set, or has not loaded it.
    public let errno: Int32

    /// The module that is missing; nil if it is something else.
    public var missingModule: String? { errno == ENOPROTOOPT ? "ip_set" : nil }

    public var description: String {
        missingModule.map { "reading the numbers of sets: the kernel has no module \($0)" }
            ?? "reading the numbers of sets: \(String(cString: strerror(errno)))"
    }
}

/// Reads the numbers of sets, as iptables does: by a socket option, since nf_tables and ipset do not know each other.
///
/// It takes CAP_NET_ADMIN. Whoever makes the sets has loaded the module by that; it does not come by asking here.
public struct SetIndexReader: ~Copyable {
    private let descriptor: Int32

    /// Opens a socket in the calling thread's network namespace.
    public init() throws(SetIndexError) {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SetIndexError(errno: errno) }
    }

    deinit { close(descriptor) }

    /// The number of a set; nil if there is none of the name.
    public func index(of name: String) throws(SetIndexError) -> UInt16? {
        guard (1...nameLength).contains(name.utf8.count) else { return nil }
        var request = Structure(byteCount: requestLength)
        request.put(getByName, at: 0)
        request.put(name.utf8, at: 8)
        guard let index: UInt16 = try ask(request).number(8), index != SetIndices.none else { return nil }
        return index
    }

    /// The name of a set; nil if there is none of the number.
    public func name(of index: UInt16) throws(SetIndexError) -> String? {
        var request = Structure(byteCount: requestLength)
        request.put(getByIndex, at: 0)
        request.put(index, at: 8)
        guard let name = try ask(request).text(8, nameLength + 1), !name.isEmpty else { return nil }
        return name
    }

    /// The numbers of all of these that there are.
    public func indices(of names: some Sequence<String>) throws(SetIndexError) -> SetIndices {
        var indices = SetIndices()
        for name in names where indices[name] == nil { indices[name] = try index(of: name) }
        return indices
    }

    /// The sets that rules in the kernel refer to, given each one's instructions.
    public func indices(in rules: some Sequence<[Expression]>) throws(SetIndexError) -> SetIndices {
        var indices = SetIndices()
        for rule in rules {
            for index in rule.flatMap(\.setIndices) where indices.name(of: index) == nil {
                guard let name = try name(of: index) else { continue }
                indices[name] = index
            }
        }
        return indices
    }

    /// struct ip_set_req_get_set (linux/netfilter/ipset/ip_set.h): what is asked at 0, the version of the protocol at 4,
    /// and 32 bytes for a name, or the number, at 8.
    private func ask(_ request: Structure) throws(SetIndexError) -> Structure {
        var request = request
        request.put(protocolVersion, at: 4)
        var bytes = request.bytes
        var length = socklen_t(bytes.count)
        guard getsockopt(descriptor, Int32(IPPROTO_IP), setOption, &bytes, &length) == 0 else {
            throw SetIndexError(errno: errno)
        }
        return Structure(bytes)
    }
}

extension Expression {
    /// The sets that a match or target refers to.
    fileprivate var setIndices: [UInt16] {
        switch self {
        case .match(name: "set", _, let payload): [Structure(payload).number(0)].compactMap(\.self)
        case .target(name: "SET", _, let payload):
            [0, 4, 8].compactMap { Structure(payload).number($0) }.filter { $0 != SetIndices.none }
        default: []
        }
    }
}

/// `SO_IP_SET`, `IP_SET_OP_GET_BYNAME`, `IP_SET_OP_GET_BYINDEX`.
private let setOption: Int32 = 83
private let getByName: UInt32 = 6
private let getByIndex: UInt32 = 7
/// `IPSET_PROTOCOL_MIN`, which old and new kernels take.
private let protocolVersion: UInt32 = 6
private let requestLength = 40
/// `IPSET_MAXNAMELEN` without the zero.
private let nameLength = 31
