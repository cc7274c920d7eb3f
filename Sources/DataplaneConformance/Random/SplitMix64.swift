/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same numbers from the same seed on every machine.
package struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }

    /// A number from 0 up to, but not including, the bound, which is at least 1.
    package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }

    package mutating func chance(percent: Int) -> Bool { below(100) < percent }

    /// One of several, of which there must be one.
    package mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    /// Up to so many of several, in their order.
    package mutating func some<Element>(of elements: [Element], atMost count: Int) -> [Element] {
        let wanted = below(count + 1)
        var chosen: Set<Int> = []
        for _ in 0..<wanted where !elements.isEmpty { chosen.insert(below(elements.count)) }
        return chosen.sorted().map { elements[$0] }
    }
}
