/// Spreads targets over equally likely slots, as many to each as its weight says.
///
/// A backend that draws a random slot then needs no arithmetic in the kernel. With equal weights every target has one
/// slot, in the order of the targets.
public enum SlotTable {
    /// The most slots that unequal weights may take; a share is then right to within a slot.
    public static let maximumForWeights = 1024

    /// The targets by slot. Each has at least one.
    public static func slots(_ targets: [Target]) -> [Target] {
        guard let first = targets.first, targets.contains(where: { $0.weight != first.weight }) else { return targets }
        let divisor = targets.reduce(0) { greatestCommonDivisor($0, Int($1.weight)) }
        let shares = targets.map { Int($0.weight) / max(divisor, 1) }
        let counts = scaled(shares, to: max(maximumForWeights, targets.count))
        return zip(targets, counts).flatMap { repeatElement($0, count: $1) }
    }

    /// Shrinks shares whose sum is too large, by largest remainders; none falls to zero.
    private static func scaled(_ shares: [Int], to limit: Int) -> [Int] {
        let sum = shares.reduce(0, +)
        guard sum > limit else { return shares }
        let spare = limit - shares.count
        var counts = shares.map { 1 + $0 * spare / sum }
        let byRemainder = shares.indices.sorted { left, right in
            let (a, b) = (shares[left] * spare % sum, shares[right] * spare % sum)
            return a != b ? a > b : left < right
        }
        for index in byRemainder.prefix(limit - counts.reduce(0, +)) { counts[index] += 1 }
        return counts
    }

    private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        b == 0 ? a : greatestCommonDivisor(b, a % b)
    }
}
