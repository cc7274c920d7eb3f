internal import ServiceModel
internal import Synchronization

/// Rate limits by small numbers, which stand for them in the names of sets: a name must fit into a few bits. The numbers
/// mean nothing outside of this process.
enum RateLimits {
    private static let known = Mutex<(limits: [RateLimit], numbers: [RateLimit: Int])>(([], [:]))

    static func number(of limit: RateLimit) -> Int {
        known.withLock { known in
            if let number = known.numbers[limit] { return number }
            known.limits.append(limit)
            known.numbers[limit] = known.limits.count
            return known.limits.count
        }
    }

    static func limit(_ number: Int) -> RateLimit {
        known.withLock { known in
            known.limits.indices.contains(number - 1) ? known.limits[number - 1] : RateLimit(perSecond: 0, burst: 0)
        }
    }
}

extension RateLimit {
    static func < (left: RateLimit, right: RateLimit) -> Bool {
        (left.perSecond, left.burst) < (right.perSecond, right.burst)
    }

    /// `RATE_BURST`, as it stands in the name of a set.
    var nameInSets: String { "\(perSecond)_\(burst)" }

    init?(nameInSets name: some StringProtocol) {
        let numbers = name.split(separator: "_", omittingEmptySubsequences: false).map { UInt32($0) }
        guard numbers.count == 2, let rate = numbers[0], let burst = numbers[1], rate > 0, burst > 0 else { return nil }
        self.init(perSecond: rate, burst: burst)
    }

    /// How long the kernel must remember a source, in seconds: until it would have its whole burst again.
    var memorySeconds: UInt32 { max(60, burst / max(perSecond, 1) + 1) }
}
