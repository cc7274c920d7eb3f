import Dataplane
import Testing

@Suite struct DeltaTrackerTests {
    typealias Tracker = DeltaTracker<String, Int>

    struct Difference: Hashable {
        var key: String
        var desired: Int?
        var observed: Int?
    }

    static func differences(_ tracker: Tracker) -> Set<Difference> {
        var found: Set<Difference> = []
        var count = 0
        tracker.forEachDifference { key, desired, observed in
            found.insert(Difference(key: key, desired: desired, observed: observed))
            count += 1
        }
        #expect(count == found.count, "each key at most once")
        return found
    }

    @Test func tellsMissingChangedAndSurplus() {
        var tracker = Tracker()
        tracker.want("same", 1)
        tracker.want("changed", 2)
        tracker.want("missing", 3)
        tracker.beginObservation()
        tracker.observe("same", 1)
        tracker.observe("changed", 20)
        tracker.observe("surplus", 4)
        #expect(
            Self.differences(tracker) == [
                Difference(key: "changed", desired: 2, observed: 20),
                Difference(key: "missing", desired: 3, observed: nil),
                Difference(key: "surplus", desired: nil, observed: 4),
            ])
        tracker.settle()
        #expect(tracker.isSettled)
    }

    @Test func believesWhatItIsTold() {
        var tracker = Tracker()
        for key in ["same", "changed", "missing"] { tracker.want(key, 1) }
        tracker.beginObservation()
        tracker.observe("changed", 10)
        tracker.observe("surplus", 4)
        tracker.observeDesired { $0 == "same" }
        #expect(
            Self.differences(tracker) == [
                Difference(key: "changed", desired: 1, observed: 10),
                Difference(key: "missing", desired: 1, observed: nil),
                Difference(key: "surplus", desired: nil, observed: 4),
            ])
    }

    @Test func sharedKeysGoWithTheirLastUser() {
        var tracker = Tracker()
        tracker.want("shared", 1)
        tracker.want("shared", 1)
        tracker.settle()
        tracker.unwant("shared")
        #expect(tracker.isSettled)
        tracker.unwant("shared")
        #expect(Self.differences(tracker) == [Difference(key: "shared", desired: nil, observed: 1)])
        // Wanted again before anything was removed: nothing to do.
        tracker.want("shared", 1)
        #expect(tracker.isSettled)
    }

    /// The same comes of it as of letting all go and taking all, for lists that grow, shrink, move and share keys.
    @Test func exchangesFragments() {
        var random = Random(state: 7)
        func fragment() -> Fragment<String, Int> {
            let names = ["a", "b", "c", "d", "e", "f"].filter { _ in random.next() % 4 > 0 }
            return Fragment(names.map { ($0, Int(random.next() % 2)) })
        }
        var (quick, plain) = (Tracker(), Tracker())
        var old = Fragment<String, Int>()
        quick.want("c", 0)
        plain.want("c", 0)
        for _ in 0..<2000 {
            let new = fragment()
            quick.exchange(old, for: new)
            plain.unwant(old)
            plain.want(new)
            old = new
            // Users of one key agree about its value.
            quick.want("c", new.objects.first { $0.key == "c" }?.value ?? 0)
            quick.unwant("c")
            plain.want("c", new.objects.first { $0.key == "c" }?.value ?? 0)
            plain.unwant("c")
            #expect(Self.differences(quick) == Self.differences(plain))
            guard random.next() % 3 == 0 else { continue }
            quick.settle()
            plain.settle()
        }
        quick.unwant(old)
        quick.settle()
        #expect(quick.desiredCount == 1)
    }

    @Test func seesThatAListRepeatsItself() {
        var tracker = Tracker()
        tracker.want("a", 1)
        tracker.beginObservation()
        let answers = ["a", "a", "b", "b"].map { tracker.observe($0, 1) }
        #expect(answers == [true, false, true, false])
    }

    /// Thousands of random steps against the plainest model there is: two dictionaries.
    @Test(arguments: 0..<8 as Range<UInt64>) func agreesWithTwoDictionaries(seed: UInt64) {
        var random = Random(state: seed &* 0x9e37_79b9_7f4a_7c15 &+ 1)
        var tracker = Tracker()
        var desired: [String: (value: Int, users: Int)] = [:]
        var actual: [String: Int] = [:]
        let keys = (0..<12).map { "key\($0)" }
        for step in 0..<2000 {
            let key = keys[Int.random(in: 0..<keys.count, using: &random)]
            let value = Int.random(in: 0..<3, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<9:
                tracker.want(key, value)
                desired[key] = (value, (desired[key]?.users ?? 0) + 1)
            case 9..<17:
                tracker.unwant(key)
                if let entry = desired[key] { desired[key] = entry.users > 1 ? (entry.value, entry.users - 1) : nil }
            case 17:
                tracker.settle()
                actual = desired.mapValues(\.value)
            default:
                if Bool.random(using: &random) { actual[key] = value } else { actual[key] = nil }
                tracker.beginObservation()
                for (key, value) in actual {
                    let isNew = tracker.observe(key, value)
                    #expect(isNew)
                }
            }
            var expected: Set<Difference> = []
            for key in keys where desired[key]?.value != actual[key] {
                expected.insert(Difference(key: key, desired: desired[key]?.value, observed: actual[key]))
            }
            #expect(Self.differences(tracker) == expected, "step \(step)")
            #expect(tracker.desiredCount == desired.count)
        }
    }

    /// A small generator with a seed, so that a failure can be repeated (Marsaglia's xorshift).
    struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}
