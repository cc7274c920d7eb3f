internal import NetAddress

// The one form of a match.

extension XTMatch {
    /// Where iptables prints a match: `-s -d -i -p`, then all others as they come.
    var rank: Int {
        switch self {
        case .source: 0
        case .destination, .destinationLowBits: 1
        case .inputInterface: 2
        case .transport: 3
        default: Self.lastRank
        }
    }

    static let lastRank = 4

    /// The form in which the match is kept; nil for one that every packet meets.
    var canonical: XTMatch? {
        switch self {
        case .source(let block, inverted: false) where block.prefixLength == 0: nil
        case .destination(let block, inverted: false) where block.prefixLength == 0: nil
        case .destinationLowBits(_, let count) where count <= 0: nil
        case .destinationLowBits(let value, let count):
            .destinationLowBits(value & Self.lowMask(count), count: min(count, 8))
        case .inputInterface("", isPrefix: true, inverted: false): nil
        case .inputInterface(let name, let isPrefix, let inverted):
            .inputInterface(name.printable(interfaceNameLength), isPrefix: isPrefix, inverted: inverted)
        case .statistic(let probability): .statistic(probability: min(probability, always))
        case .recentCheck(let name, let seconds, let reap):
            .recentCheck(name: name.printable(recentNameLength), seconds: seconds, reap: reap && seconds > 0)
        case .recentSet(let name): .recentSet(name: name.printable(recentNameLength))
        case .rateAbove(let rate, let burst, let name, let expire):
            .rateAbove(
                perSecond: Self.rate(period: Self.period(rate: rate)), burst: burst,
                name: name.printable(hashlimitNameLength), expireMilliseconds: expire)
        case .set(let name, let directions, let inverted):
            .set(name.printable(setNameLength), Array(directions.prefix(Self.setDimensions)), inverted: inverted)
        case .ipvs(let match):
            .ipvs(
                IPVSMatch(
                    transport: match.transport, address: match.address, port: match.port, direction: match.direction,
                    method: match.method, isOutside: match.isOutside))
        case .comment(let text): .comment(text.printable(commentLength))
        default: self
        }
    }

    /// A byte of which so many of the last bits are set.
    static func lowMask(_ count: Int) -> UInt8 { UInt8(truncatingIfNeeded: (1 << min(max(count, 0), 8)) - 1) }

    /// The microseconds between two packets of a rate (`XT_HASHLIMIT_SCALE_v2` is a second).
    static func period(rate: UInt32) -> UInt32 { microseconds / min(max(rate, 1), microseconds) }

    /// The packets in a second of a time between two in microseconds.
    static func rate(period: UInt32) -> UInt32 { microseconds / max(period, 1) }
}

extension XTTarget {
    /// The form in which the target is kept.
    var canonical: XTTarget {
        guard case .mapMark(let name, let directions) = self else { return self }
        return .mapMark(set: name.printable(setNameLength), Array(directions.prefix(XTMatch.setDimensions)))
    }
}

extension String {
    /// The text without control characters, cut to so many bytes of whole characters.
    ///
    /// Restore files know no way to write a line's end within quotes, and the kernel's texts end at a zero.
    fileprivate func printable(_ length: Int) -> String {
        if utf8.count <= length, utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) { return self }
        var text = String.UnicodeScalarView()
        var count = 0
        for scalar in unicodeScalars where scalar.value >= 0x20 && scalar.value != 0x7f {
            count += UTF8.width(scalar)
            if count > length { break }
            text.append(scalar)
        }
        return String(text)
    }
}

/// `XT_HASHLIMIT_SCALE_v2` (linux/netfilter/xt_hashlimit.h).
private let microseconds: UInt32 = 1_000_000
/// A probability of 1 (`--probability 1.0`).
private let always: UInt32 = 0x8000_0000
/// `IFNAMSIZ` without the zero at its end (linux/if.h).
private let interfaceNameLength = 15
/// `XT_RECENT_NAME_LEN` without the zero (linux/netfilter/xt_recent.h).
private let recentNameLength = 199
/// `IPSET_MAXNAMELEN` without the zero (linux/netfilter/ipset/ip_set.h).
private let setNameLength = 31
/// `NAME_MAX` without the zero (struct xt_hashlimit_mtinfo3).
private let hashlimitNameLength = 254
/// `XT_MAX_COMMENT_LEN` without the zero (linux/netfilter/xt_comment.h).
private let commentLength = 255
