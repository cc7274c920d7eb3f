import PacketTrace
import Testing

struct FractionTests {
    @Test func addsExactly() throws {
        let third = try #require(Fraction(1, 3))
        #expect(third + third + third == .one)
        #expect(try third + #require(Fraction(1, 6)) == #require(Fraction(1, 2)))
        #expect(Fraction(2, 4) == Fraction(1, 2))
        #expect(Fraction(1, 0) == nil)
        #expect("\(third)" == "1/3" && "\(Fraction.one)" == "1")
        #expect(try third < #require(Fraction(2, 5)))
    }
}
