internal import NetAddress

/// Spreads targets over slots so that a client, which a hash leads to always the same slot, keeps its target while
/// others come and go.
///
/// Every target has a fixed order of its own in which it would like slots, and targets take turns to claim the next
/// one on their lists, as in Maglev (Eisenbud et al., NSDI 2016, section 3.4). There a target that finds a slot taken
/// searches on within its turn, which makes shares equal, but lets one departure shift everybody's turns. Here that
/// turn is lost, so that who gets a slot depends on the lists alone, and bounds keep shares equal instead: see
/// ``Bounds``.
///
/// With 100 targets of equal weight a departure moves less than 2 % of the slots of those that stay, whoever leaves,
/// and every share is within 10 % of the mean. (`MaglevTableTests` holds both, and prints them.)
public enum MaglevTable {
    /// The sizes that tables have, and up to how many targets each serves: about 32 slots for each are the fewest with
    /// which both goals can be met. All are primes, so that every step through the slots reaches all of them.
    static let sizes: [(slots: Int, targets: Int)] = [
        (251, 8), (1021, 32), (4093, 128), (16_381, 512), (65_521, 65_521),
    ]

    /// How many slots a table has for so many targets: the same count whatever their weights. One target needs one
    /// slot. Of more targets than the largest table has slots, each has one, up to ``SlotTable/maximum``.
    public static func slotCount(_ targetCount: Int) -> Int {
        guard targetCount > 1 else { return max(targetCount, 0) }
        return sizes.first { targetCount <= $0.targets }?.slots ?? min(targetCount, SlotTable.maximum)
    }

    /// The targets by slot, each as often as its weight says, but at least once.
    ///
    /// The table depends on addresses, ports and weights alone, not on the order of the targets. A client's slot must
    /// grow with its hash, as with the kernel's `jhash`: hash × slots / 2³² (`reciprocal_scale`). Then it points to
    /// about the same place in a table of another size, and ``Ties`` make use of it.
    public static func slots(_ targets: [Target]) -> [Target] {
        let sorted = targets.sorted()
        guard sorted.count > 1, let size = sizes.firstIndex(where: { sorted.count <= $0.targets }) else {
            return Array(sorted.prefix(SlotTable.maximum))
        }
        var claims = Claims(
            claimants: sorted.map { Claimant($0, size: size) }, slotCount: sizes[size].slots,
            ties: Ties(targetCount: sorted.count, size: size))
        let bounds = Bounds(sorted, slotCount: sizes[size].slots)
        // One for each first, since the floors may be more than there is where weights differ much.
        claims.claim(upTo: sorted.map { _ in 1 })
        claims.claim(upTo: bounds.floors)
        claims.claim(upTo: bounds.caps)
        return claims.owners.map { sorted[max($0, 0)] }
    }
}

/// How few and how many slots a target may have: within a twentieth of its share.
///
/// The narrower the bounds, the more slots must move to other targets when shares change. A share changes a little with
/// every target that comes or goes, and if all bounds were rounded alike, all would jump at once by a whole slot. So
/// each target rounds at a threshold of its own.
private struct Bounds {
    private static let tolerance = 0.05

    private(set) var floors: [Int] = []
    private(set) var caps: [Int] = []

    init(_ targets: [Target], slotCount: Int) {
        let sum = targets.reduce(0) { $0 + Double($1.weight) }
        for target in targets {
            let share = Double(slotCount) * Double(target.weight) / max(sum, 1)
            let rounding = MixedHash(target, 2).fraction
            floors.append(Int(min(share, share * (1 - Self.tolerance) + rounding)))
            // Never below the share, so that all slots find somebody.
            let whole = Int(share)
            let least = Double(whole) < share ? whole + 1 : whole
            caps.append(max(least, Int(share * (1 + Self.tolerance) + rounding)))
        }
    }
}

/// Slots that are claimed in the order of the next smaller table.
///
/// Where a table outgrows its size, the next one starts as an enlarged copy: all of its slots go to who would get the
/// slot at the same place of the smaller table. With every further target some of them are set free, until with three
/// times as many none is tied. So nobody's crossing of a threshold moves everybody's clients.
private struct Ties {
    /// How many slots of one table come to one of the next smaller.
    static let ratio = 4

    /// By slot, whether it is tied; empty where none is.
    private(set) var isTied: [Bool] = []
    /// By slot of the smaller table, the slots that are tied to it; empty where none is.
    private(set) var slots: [[Int]] = []

    init(targetCount: Int, size: Int) {
        guard size > 0 else { return }
        let (smaller, slotCount) = (MaglevTable.sizes[size - 1], MaglevTable.sizes[size].slots)
        let free = Double(targetCount - smaller.targets) / Double(2 * smaller.targets)
        guard free < 1 else { return }
        isTied = (0..<slotCount).map { MixedHash(slot: $0, of: slotCount).fraction >= free }
        slots = Array(repeating: [], count: smaller.slots)
        for slot in 0..<slotCount where isTied[slot] {
            slots[(2 * slot + 1) * smaller.slots / (2 * slotCount)].append(slot)
        }
    }
}

/// The order in which a target would like slots: from one of them on in equal steps, to all of them.
private struct Preference {
    private let first: Int
    private let step: Int
    private let slotCount: Int

    /// The count is a prime.
    init(_ target: Target, slotCount: Int) {
        let hash = MixedHash(target, UInt64(slotCount)).value
        first = Int(hash % UInt64(slotCount))
        step = 1 + Int(MixedHash.mix(hash) % UInt64(slotCount - 1))
        self.slotCount = slotCount
    }

    subscript(turn: Int) -> Int { (first + turn * step) % slotCount }
}

/// A target that claims slots.
private struct Claimant {
    let weight: Double
    let preference: Preference
    /// In the next smaller table.
    let tiedPreference: Preference?

    init(_ target: Target, size: Int) {
        weight = Double(target.weight)
        preference = Preference(target, slotCount: MaglevTable.sizes[size].slots)
        tiedPreference = size > 0 ? Preference(target, slotCount: MaglevTable.sizes[size - 1].slots) : nil
    }
}

/// Who has which slot, while targets take turns.
private struct Claims {
    let claimants: [Claimant]
    let slotCount: Int
    let ties: Ties
    /// By slot, the index of its claimant; -1 while it has none.
    private(set) var owners: [Int]
    private var counts: [Int]
    private var vacancies: Int

    init(claimants: [Claimant], slotCount: Int, ties: Ties) {
        self.claimants = claimants
        self.slotCount = slotCount
        self.ties = ties
        owners = Array(repeating: -1, count: slotCount)
        counts = Array(repeating: 0, count: claimants.count)
        vacancies = slotCount
    }

    /// Lets every target go through its list, as fast as its weight says, until all have as many slots as they may or
    /// none is left.
    mutating func claim(upTo limits: [Int]) {
        var turns = Array(repeating: 0, count: claimants.count)
        var active = claimants.indices.filter { counts[$0] < limits[$0] }
        // In this time a target of weight 1 has one turn. It passes so fast that the heaviest has one in each round.
        var time = 0.0
        while vacancies > 0, !active.isEmpty {
            time += 1 / active.reduce(1) { max($0, claimants[$1].weight) }
            for index in active {
                // The small part makes good for rounding, or the heaviest's turn could come a round late.
                let due = min(Int(time * claimants[index].weight + 1e-6), slotCount)
                while turns[index] < due, counts[index] < limits[index] {
                    take(turns[index], index, upTo: limits[index])
                    turns[index] += 1
                }
            }
            active.removeAll { counts[$0] >= limits[$0] || turns[$0] >= slotCount }
        }
    }

    private mutating func take(_ turn: Int, _ index: Int, upTo limit: Int) {
        let slot = claimants[index].preference[turn]
        if ties.isTied.isEmpty || !ties.isTied[slot] { take(slot: slot, index) }
        guard !ties.slots.isEmpty, turn % Ties.ratio == 0, turn / Ties.ratio < ties.slots.count,
            let preference = claimants[index].tiedPreference
        else { return }
        for slot in ties.slots[preference[turn / Ties.ratio]] where counts[index] < limit { take(slot: slot, index) }
    }

    private mutating func take(slot: Int, _ index: Int) {
        guard owners[slot] < 0 else { return }
        owners[slot] = index
        counts[index] += 1
        vacancies -= 1
    }
}

/// A number that looks random and is the same in every process, unlike Swift's own hash values.
private struct MixedHash {
    let value: UInt64

    /// One of several for a target; its weight does not count, so that it can change without moving all of its clients.
    init(_ target: Target, _ purpose: UInt64) {
        let address = Self.mix(Self.mix(target.address.high) ^ target.address.low)
        value = Self.mix(Self.mix(address ^ UInt64(target.port)) ^ purpose)
    }

    init(slot: Int, of slotCount: Int) {
        value = Self.mix(Self.mix(UInt64(slotCount)) ^ UInt64(slot))
    }

    /// From 0 up to, but not, 1: the upper 53 bits, which is what a `Double` holds.
    var fraction: Double { Double(value >> 11) * 0x1p-53 }

    /// One step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit of the result depends on every bit given.
    static func mix(_ number: UInt64) -> UInt64 {
        var bits = number &+ 0x9e37_79b9_7f4a_7c15
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}
