/// Spreads targets over equally likely slots, as many to each as its weight says.
///
/// A backend that draws a random slot then needs no arithmetic in the kernel. With equal weights every target has one
/// slot, in the order of the targets.
public enum SlotTable {
    /// The most slots that unequal weights may take, unless so many targets need more: see ``limit(_:)``.
    public static let maximumForWeights = 1024

    /// The most slots for so many targets of unequal weights: with four for each, weights still count where there are
    /// many targets.
    private static func limit(_ count: Int) -> Int { max(min(max(maximumForWeights, count * 4), maximum), count) }

    /// The most slots there are. Of more targets than that, the first so many serve.
    public static let maximum = 65_535

    /// The targets by slot. Each has at least one.
    public static func slots(_ targets: [Target]) -> [Target] {
        let targets = targets.count > maximum ? Array(targets.prefix(maximum)) : targets
        guard let first = targets.first, targets.contains(where: { $0.weight != first.weight }) else { return targets }
        let divisor = targets.reduce(0) { greatestCommonDivisor($0, Int($1.weight)) }
        let shares = targets.map { Int($0.weight) / max(divisor, 1) }
        let counts = scaled(shares, to: limit(targets.count))
        return zip(targets, counts).flatMap { repeatElement($0, count: $1) }
    }

    /// The same slots in an order in which they are met one after another: each target's are spread as evenly as they
    /// can be, so that a heavy one does not get all of its connections in a row.
    public static func interleaved(_ targets: [Target]) -> [Target] {
        let slots = slots(targets)
        guard slots.count != targets.count else { return slots }
        let counts = Dictionary(grouping: slots) { $0 }.mapValues(\.count)
        var seen: [Target: Int] = [:]
        // The n-th of a target's k slots belongs at (2n + 1) / 2k of the way.
        let places = slots.map { target -> (numerator: Int, denominator: Int, target: Target) in
            let index = seen[target, default: 0]
            seen[target] = index + 1
            return (2 * index + 1, counts[target] ?? 1, target)
        }
        return places.sorted { left, right in
            let (a, b) = (left.numerator * right.denominator, right.numerator * left.denominator)
            return a != b ? a < b : left.target < right.target
        }.map(\.target)
    }

    /// Shrinks shares whose sum is too large. Those that would come to less than a slot get one; the others divide what
    /// is left by largest remainders, each right to within a slot.
    private static func scaled(_ shares: [Int], to limit: Int) -> [Int] {
        var sum = shares.reduce(0, +)
        guard sum > limit else { return shares }
        var slots = limit
        var counts = [Int](repeating: 1, count: shares.count)
        var large = Array(shares.indices)
        // What is given to the small makes the rest's slots dearer, so that others may become small.
        while true {
            let small = large.filter { shares[$0] * slots < sum }
            guard !small.isEmpty else { break }
            large.removeAll { shares[$0] * slots < sum }
            slots -= small.count
            sum -= small.reduce(0) { $0 + shares[$1] }
        }
        for index in large { counts[index] = shares[index] * slots / sum }
        let byRemainder = large.sorted { left, right in
            let (a, b) = (shares[left] * slots % sum, shares[right] * slots % sum)
            return a != b ? a > b : left < right
        }
        for index in byRemainder.prefix(limit - counts.reduce(0, +)) { counts[index] += 1 }
        return counts
    }

    private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        b == 0 ? a : greatestCommonDivisor(b, a % b)
    }
}
