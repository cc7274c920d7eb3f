import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// What becomes of clients when targets come and go. Bounds are asserted for the worst case, and all figures printed.
@Suite struct MaglevTableTests {
    /// Endpoints as a cluster has them: neighbours in one network.
    static func targets(_ count: Int, weight: (Int) -> UInt16 = { _ in 1 }) -> [Target] {
        (0..<count).map {
            Target(address: IPAddress(ipv4: 0x0af4_0002 + UInt32($0)), port: 8080, weight: weight($0))
        }
    }

    static func counts(_ slots: [Target]) -> [IPAddress: Int] {
        slots.reduce(into: [:]) { $0[$1.address, default: 0] += 1 }
    }

    /// The share of clients of targets in both tables that change their target. Clients are spread evenly over hashes.
    static func moved(_ before: [Target], _ after: [Target]) -> Double {
        let staying = Set(before.map(\.address)).intersection(after.map(\.address))
        let clients = 20_011
        var (moved, all) = (0, 0)
        for client in 0..<clients {
            let (old, new) = (before[client * before.count / clients], after[client * after.count / clients])
            // Those who leave lose their clients, and those who come take some.
            guard staying.contains(old.address), staying.contains(new.address) else { continue }
            all += 1
            if old.address != new.address { moved += 1 }
        }
        return Double(moved) / Double(max(all, 1))
    }

    static func percent(_ share: Double) -> String { "\((share * 10_000).rounded() / 100) %" }

    /// Of a hundred, each leaves once.
    @Test func aDepartureMovesFewOthers() {
        let all = Self.targets(100)
        let before = MaglevTable.slots(all)
        #expect(before.count == 4093)
        let shares = all.map { target in
            let after = MaglevTable.slots(all.filter { $0 != target })
            let others = zip(before, after).filter { $0.0 != target }
            return Double(others.count { $0.0 != $0.1 }) / Double(others.count)
        }
        let (mean, worst) = (shares.reduce(0, +) / Double(shares.count), shares.max() ?? 1)
        print("one of 100 leaves: others' slots that move: mean \(Self.percent(mean)), max \(Self.percent(worst))")
        #expect(worst <= 0.02)
        #expect(mean <= 0.015)
    }

    /// The same for other counts, and for the fewest slots that each target may have. An arrival is a departure seen
    /// from the other side.
    @Test(arguments: [(25, 0.05), (97, 0.02), (99, 0.02), (101, 0.02), (110, 0.02), (128, 0.02)])
    func soItIsWithOtherCounts(count: Int, limit: Double) {
        let all = Self.targets(count)
        let before = MaglevTable.slots(all)
        for target in all.indices where target % 7 == 0 {
            let after = MaglevTable.slots(all.filter { $0 != all[target] })
            #expect(after.count == before.count)
            #expect(Self.moved(before, after) <= limit)
        }
    }

    /// A table of another size begins as a copy of the smaller one.
    @Test(arguments: [(1, 0.001), (8, 0.2), (32, 0.12), (128, 0.1), (512, 0.1)])
    func anotherSizeDoesNotMoveEverybody(count: Int, limit: Double) {
        let all = Self.targets(count + 1)
        let (before, after) = (MaglevTable.slots(Array(all.dropLast())), MaglevTable.slots(all))
        #expect(before.count < after.count)
        let moved = Self.moved(before, after)
        print("from \(before.count) to \(after.count) slots: others' clients that move: \(Self.percent(moved))")
        #expect(moved <= limit)
    }

    /// While ties are undone, and before and after, no step is a leap.
    @Test(arguments: [3, 5, 9, 10, 13, 16, 17, 20, 24, 25, 32, 33, 34, 48, 64, 65, 80, 96, 97, 129, 130, 300])
    func growthMovesFewAtEachStep(count: Int) {
        let all = Self.targets(count)
        let moved = Self.moved(MaglevTable.slots(Array(all.dropLast())), MaglevTable.slots(all))
        #expect(moved <= (count <= 24 ? 0.18 : 0.12))
    }

    @Test(arguments: [2, 3, 8, 9, 20, 32, 33, 64, 100, 128, 129, 500]) func sharesAreEqual(count: Int) {
        let slots = MaglevTable.slots(Self.targets(count))
        #expect(slots.count == MaglevTable.slotCount(count))
        let counts = Self.counts(slots)
        #expect(counts.count == count)
        let share = Double(slots.count) / Double(count)
        let worst = counts.values.map { abs(Double($0) / share - 1) }.max() ?? 1
        if count == 100 { print("shares of 100 targets differ from the mean by at most \(Self.percent(worst))") }
        // Within the bounds, which are rounded to a whole slot.
        #expect(worst <= max(0.1, 0.05 + 1 / share))
    }

    @Test(arguments: [[1, 2, 7], [100, 200, 700], [1, 1, 1, 17], [3, 5], [10, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]])
    func sharesFollowWeights(weights: [UInt16]) {
        let targets = Self.targets(weights.count) { weights[$0] }
        let slots = MaglevTable.slots(targets)
        let counts = Self.counts(slots)
        let sum = weights.reduce(0) { $0 + Int($1) }
        for target in targets {
            let share = Double(slots.count) * Double(target.weight) / Double(sum)
            #expect(abs(Double(counts[target.address] ?? 0) - share) <= share * 0.05 + 1)
        }
    }

    /// Only the ratio of weights counts, and a change of one moves few clients of the others.
    @Test func weightsThatChange() {
        #expect(
            MaglevTable.slots(Self.targets(20) { _ in 1 }).map(\.address)
                == MaglevTable.slots(Self.targets(20) { _ in 300 }).map(\.address))
        let before = MaglevTable.slots(Self.targets(100) { _ in 10 })
        let after = MaglevTable.slots(Self.targets(100) { $0 == 50 ? 20 : 10 })
        #expect(zip(before, after).count { $0.0.address != $0.1.address } < before.count * 3 / 100)
    }

    /// However weak, each has a slot.
    @Test(arguments: [
        (8, 1), (100, 7), (128, 64), (3000, 1500),
    ])
    func everyTargetHasASlot(count: Int, strong: Int) {
        let slots = MaglevTable.slots(Self.targets(count) { $0 < strong ? 65_535 : 1 })
        #expect(slots.count == MaglevTable.slotCount(count))
        #expect(Self.counts(slots).count == count)
    }

    @Test func orderDoesNotMatter() {
        let targets = Self.targets(50) { UInt16(1 + $0 % 3) }
        let slots = MaglevTable.slots(targets)
        #expect(MaglevTable.slots(targets.reversed()) == slots)
        #expect(MaglevTable.slots(targets.shuffled()) == slots)
    }

    /// The same in every process and release: other nodes must choose alike.
    @Test func tablesAreTheSameEverywhere() {
        let targets = ["10.244.1.2", "10.244.1.3", "fd00:244::2"].map {
            Target(address: PlannerTests.ip($0), port: 8080, weight: 1)
        }
        let slots = MaglevTable.slots(targets).map { targets.firstIndex(of: $0) ?? 9 }
        #expect(slots.prefix(24).map(String.init).joined() == "202002202111112020110100")
    }

    @Test func fewAndMany() {
        #expect(MaglevTable.slots([]).isEmpty)
        #expect(MaglevTable.slots(Self.targets(1) { _ in 9 }) == Self.targets(1) { _ in 9 })
        #expect(MaglevTable.slotCount(1) == 1)
        for count in [65_521, 65_530, 66_000] {
            let slots = MaglevTable.slots(Self.targets(count) { $0 == 1 ? 2 : 1 })
            #expect(slots.count == min(count, SlotTable.maximum))
            #expect(Set(slots).count == slots.count)
        }
    }
}
