internal import NetAddress

/// Elements by the set that they belong to.
///
/// Elements come in no order and by the hundred thousand, so where there are many the set's place is found by indexing
/// instead of hashing.
struct ElementTable<Element> {
    private(set) var sets: [SetID] = []
    private var lists: [[Element]] = []
    /// By family and role, then by a small parameter: the place in `sets` plus one, or 0. Empty while there are few sets,
    /// which are looked through.
    private var places: [[Int32]] = []
    /// The places of the others.
    private var otherPlaces: [SetID: Int] = [:]
    private static var few: Int { 8 }

    var isEmpty: Bool { sets.isEmpty }
    var count: Int { lists.reduce(0) { $0 + $1.count } }

    /// The elements of one set, in the order in which they came.
    subscript(set: SetID) -> [Element] { sets.firstIndex(of: set).map { lists[$0] } ?? [] }

    mutating func append(_ element: Element, to set: SetID) { lists[place(of: set)].append(element) }

    private mutating func place(of set: SetID) -> Int {
        guard places.isEmpty else { return indexedPlace(of: set) }
        if let place = sets.firstIndex(of: set) { return place }
        if sets.count < Self.few { return add(set) }
        places = Array(repeating: [], count: IPFamily.allCases.count * SetID.Role.allCases.count)
        for (place, set) in sets.enumerated() { note(place, of: set) }
        return indexedPlace(of: set)
    }

    private mutating func add(_ set: SetID) -> Int {
        sets.append(set)
        lists.append([])
        return sets.count - 1
    }

    private mutating func indexedPlace(of set: SetID) -> Int {
        let (row, parameter) = (Self.row(set), set.parameter)
        if parameter < places[row].count, places[row][parameter] > 0 { return Int(places[row][parameter]) - 1 }
        if let place = otherPlaces[set] { return place }
        let place = add(set)
        note(place, of: set)
        return place
    }

    private mutating func note(_ place: Int, of set: SetID) {
        let (row, parameter) = (Self.row(set), set.parameter)
        guard parameter <= 1 << 16 else { return otherPlaces[set] = place }
        if parameter >= places[row].count {
            places[row] += repeatElement(0, count: parameter + 1 - places[row].count)
        }
        places[row][parameter] = Int32(truncatingIfNeeded: place + 1)
    }

    private static func row(_ set: SetID) -> Int { Int(set.role.rawValue) * 2 + (set.family == .ipv4 ? 0 : 1) }

    /// The sets of a family in the order of the layout, each with its elements in the order in which they came.
    func inOrder(_ family: IPFamily) -> [(set: SetID, elements: [Element])] {
        sets.indices.filter { sets[$0].family == family }.sorted { sets[$0] < sets[$1] }
            .map { (sets[$0], lists[$0]) }
    }

    /// Calls a closure with each element, in no order.
    func forEach(_ body: (Element, SetID) -> Void) {
        for (set, list) in zip(sets, lists) { for element in list { body(element, set) } }
    }

    /// Forgets a family's elements.
    mutating func remove(_ family: IPFamily) {
        for index in sets.indices where sets[index].family == family { lists[index] = [] }
    }
}
