internal import NetAddress

/// Elements by the set that they belong to.
///
/// Elements come in no order and by the hundred thousand, so the set's place is found by indexing instead of hashing.
struct ElementTable<Element> {
    private(set) var sets: [SetID] = []
    private var lists: [[Element]] = []
    /// By family and role, then by a small parameter: the place in `sets` plus one, or 0.
    private var places: [[Int32]] = []
    /// The places of the others.
    private var otherPlaces: [SetID: Int] = [:]

    init() {
        places = Array(repeating: [], count: IPFamily.allCases.count * SetID.Role.allCases.count)
    }

    var isEmpty: Bool { sets.isEmpty }
    var count: Int { lists.reduce(0) { $0 + $1.count } }

    mutating func append(_ element: Element, to set: SetID) { lists[place(of: set)].append(element) }

    private mutating func place(of set: SetID) -> Int {
        let row = Int(set.role.rawValue) * 2 + (set.family == .ipv4 ? 0 : 1)
        let parameter = set.parameter
        guard parameter <= 1 << 16 else { return otherPlace(of: set) }
        if parameter < places[row].count, places[row][parameter] > 0 { return Int(places[row][parameter]) - 1 }
        if parameter >= places[row].count {
            places[row] += repeatElement(0, count: parameter + 1 - places[row].count)
        }
        sets.append(set)
        lists.append([])
        places[row][parameter] = Int32(truncatingIfNeeded: sets.count)
        return sets.count - 1
    }

    private mutating func otherPlace(of set: SetID) -> Int {
        if let place = otherPlaces[set] { return place }
        sets.append(set)
        lists.append([])
        otherPlaces[set] = sets.count - 1
        return sets.count - 1
    }

    /// The sets of a family in the order of the layout, each with its elements in the order in which they came.
    func inOrder(_ family: IPFamily) -> [(set: SetID, elements: [Element])] {
        sets.indices.filter { sets[$0].family == family }.sorted { sets[$0] < sets[$1] }
            .map { (sets[$0], lists[$0]) }
    }

    /// Forgets a family's elements.
    mutating func remove(_ family: IPFamily) {
        for index in sets.indices where sets[index].family == family { lists[index] = [] }
    }
}
