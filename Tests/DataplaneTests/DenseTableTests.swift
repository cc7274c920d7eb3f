import Testing

@testable import Dataplane

/// The table under the delta tracker.
@Suite struct DenseTableTests {
    /// Keys whose hashes meet often, so that they stand in each other's way.
    struct Key: Hashable, Sendable {
        let number: Int
        func hash(into hasher: inout Hasher) { hasher.combine(number % 40) }
    }

    /// Tens of thousands of random steps against a dictionary, with many collisions, growth and removals everywhere.
    @Test(arguments: 1...4 as ClosedRange<UInt64>) func agreesWithADictionary(seed: UInt64) {
        var random = DeltaTrackerTests.Random(state: seed &* 0x9e37_79b9_7f4a_7c15)
        var table = DenseTable<Key, Int>()
        var model: [Key: Int] = [:]
        if seed == 2 { table.reserveCapacity(300) }
        // Each check would take longer than what it checks.
        var wrong: Set<Int> = []
        for step in 0..<20_000 {
            let key = Key(number: Int(random.next() % 200))
            // It fills up for a while, then empties.
            if random.next() % 8 < (step / 3000 % 2 == 0 ? 5 : 3) {
                let (place, isNew) = table.place(of: key, orAdd: step)
                if isNew != (model[key] == nil) || table.entries[place].key != key { wrong.insert(step) }
                if isNew { model[key] = step }
            } else if let place = table.place(of: key) {
                if table.remove(at: place) != model.removeValue(forKey: key) { wrong.insert(step) }
            } else if model[key] != nil {
                wrong.insert(step)
            }
            if table.count != model.count { wrong.insert(step) }
            guard step % 100 == 0 else { continue }
            for number in 0..<200 {
                let key = Key(number: number)
                if table.place(of: key).map({ table.entries[$0].value }) != model[key] { wrong.insert(step) }
            }
        }
        #expect(wrong.sorted().prefix(5) == [])
        #expect(model.count > 20)
    }
}
