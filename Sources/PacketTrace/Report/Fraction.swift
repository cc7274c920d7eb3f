/// A probability as a reduced fraction, so that shares add up to exactly 1.
public struct Fraction: Hashable, Sendable {
    public let numerator: UInt64
    /// Never 0, and below 2^63.
    public let denominator: UInt64

    public static let zero = Fraction(reducing: 0, 1)
    public static let one = Fraction(reducing: 1, 1)

    /// A fraction; nil without a denominator.
    public init?(_ numerator: UInt64, _ denominator: UInt64) {
        guard denominator > 0 else { return nil }
        self.init(reducing: UInt128(numerator), UInt128(denominator))
    }

    /// Where a reduced fraction needs larger numbers than there is room for, it is rounded. ``Interpreter`` takes care
    /// that this does not happen: it does not follow a choice that would need them.
    private init(reducing numerator: UInt128, _ denominator: UInt128) {
        let divisor = max(1, Self.greatestCommonDivisor(numerator, denominator))
        var (above, below) = (numerator / divisor, denominator / divisor)
        while below > Self.largestDenominator || above > UInt128(UInt64.max) {
            (above, below) = (above >> 1, below >> 1)
        }
        self.numerator = UInt64(truncatingIfNeeded: above)
        self.denominator = max(1, UInt64(truncatingIfNeeded: below))
    }

    static let largestDenominator: UInt128 = 1 << 62

    private static func greatestCommonDivisor(_ left: UInt128, _ right: UInt128) -> UInt128 {
        var (a, b) = (left, right)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }

    /// The smallest number that both denominators divide; nil if it is too large.
    static func commonDenominator(_ left: UInt64, _ right: UInt64) -> UInt64? {
        let divisor = max(1, greatestCommonDivisor(UInt128(left), UInt128(right)))
        let multiple = UInt128(left) / divisor * UInt128(right)
        return multiple <= largestDenominator ? UInt64(truncatingIfNeeded: multiple) : nil
    }

    /// One of so many equal shares; the number is at least 1.
    func divided(by count: UInt32) -> Fraction {
        Fraction(reducing: UInt128(numerator), UInt128(denominator) * UInt128(max(1, count)))
    }

    public static func + (left: Fraction, right: Fraction) -> Fraction {
        if left.denominator == right.denominator {
            return Fraction(reducing: UInt128(left.numerator) + UInt128(right.numerator), UInt128(left.denominator))
        }
        // Denominators are below 2^63, and probabilities do not exceed 1, so that nothing here exceeds 2^127.
        let above =
            UInt128(left.numerator) * UInt128(right.denominator) + UInt128(right.numerator) * UInt128(left.denominator)
        return Fraction(reducing: above, UInt128(left.denominator) * UInt128(right.denominator))
    }

    public static func += (left: inout Fraction, right: Fraction) { left = left + right }
}

extension Fraction: CustomStringConvertible {
    /// `1/3`, or `1`.
    public var description: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }
}

extension Fraction: Comparable {
    public static func < (left: Fraction, right: Fraction) -> Bool {
        UInt128(left.numerator) * UInt128(right.denominator) < UInt128(right.numerator) * UInt128(left.denominator)
    }
}
