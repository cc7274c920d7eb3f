/// Which address or port of a packet is compared with a part of a set's element.
public enum SetDirection: Hashable, Sendable {
    /// `src`.
    case source
    /// `dst`.
    case destination
}

extension Extension {
    /// struct xt_set_info_match_v4 (linux/netfilter/xt_set.h): which set and parts at 0, see ``set(_:_:inverted:)``; two
    /// comparisons of counters of 16 bytes each at 8 and 24 and flags at 40, which are not used.
    static func set(_ index: UInt16, _ directions: [SetDirection], inverted: Bool) -> [UInt8] {
        var info = Structure(byteCount: 48)
        info.put(set: index, directions, inverted: inverted, at: 0)
        return info.bytes
    }

    /// struct xt_set_info_target_v3: sets to add to, to delete from and to look into at 0, 4 and 8, of which the first
    /// two are none; what is taken from the element at 12; a timeout for elements that are added at 16, which iptables
    /// always fills.
    static func mapMark(_ index: UInt16, _ directions: [SetDirection]) -> [UInt8] {
        var info = Structure(byteCount: 20)
        info.put(SetIndices.none, at: 0)
        info.put(SetIndices.none, at: 4)
        info.put(set: index, directions, inverted: false, at: 8)
        info.put(mapsMark, at: 12)
        info.put(UInt32.max, at: 16)
        return info.bytes
    }
}

extension Structure {
    /// struct xt_set_info: the set's number, how many parts there are, and flags: bit 0 turns the match round, bit i is
    /// set if part i, from 1, is compared with the source.
    fileprivate mutating func put(set index: UInt16, _ directions: [SetDirection], inverted: Bool, at offset: Int) {
        put(index, at: offset)
        put(UInt8(truncatingIfNeeded: directions.count), at: offset + 2)
        var flags: UInt8 = inverted ? 1 : 0
        for (index, direction) in directions.enumerated() where direction == .source { flags |= 2 << UInt8(index) }
        put(flags, at: offset + 3)
    }

    /// The set's name, the parts, and whether the match is turned round; nil if the set is not known.
    func set(_ offset: Int, _ sets: SetIndices) -> (name: String, directions: [SetDirection], inverted: Bool)? {
        guard let index: UInt16 = number(offset), let name = sets.name(of: index),
            let count: UInt8 = number(offset + 2), count <= XTMatch.setDimensions, let flags: UInt8 = number(offset + 3)
        else { return nil }
        let directions = (0..<count).map { flags & 2 << $0 != 0 ? SetDirection.source : .destination }
        return (name, directions, flags & 1 != 0)
    }
}

extension XTMatch {
    /// `IPSET_DIM_MAX`.
    static let setDimensions = 6
}

extension [SetDirection] {
    /// `dst,dst,src`.
    var text: String { map { $0 == .source ? "src" : "dst" }.joined(separator: ",") }
}

/// `IPSET_FLAG_MAP_SKBMARK`.
private let mapsMark: UInt32 = 0x100
