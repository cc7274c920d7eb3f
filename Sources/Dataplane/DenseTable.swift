/// A hash table whose entries lie side by side, and whose index is numbers of four bytes: a quarter of a million objects
/// take half of the memory that a dictionary would, and a look-up touches two places instead of three.
///
/// Places are valid until the next removal, which moves the last entry into the gap.
@usableFromInline
struct DenseTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    @usableFromInline
    struct Entry: Sendable {
        @usableFromInline let key: Key
        @usableFromInline var value: Value

        @inlinable
        init(key: Key, value: Value) {
            self.key = key
            self.value = value
        }
    }

    @usableFromInline var entries: [Entry] = []
    /// Places of entries plus one, or 0, where their hashes say or behind (linear probing). The count is a power of two.
    @usableFromInline var slots: [UInt32] = [0, 0, 0, 0]

    @inlinable
    init() {}

    @inlinable var count: Int { entries.count }
    @inlinable var mask: Int { slots.count - 1 }

    /// The slot where a key's entry is, or where it would be.
    @inlinable
    func slot(of key: Key) -> Int {
        var slot = key.hashValue & mask
        while slots[slot] != 0, entries[Int(slots[slot]) - 1].key != key { slot = (slot + 1) & mask }
        return slot
    }

    /// The place of a key.
    @inlinable
    func place(of key: Key) -> Int? {
        let found = slots[slot(of: key)]
        return found == 0 ? nil : Int(found) - 1
    }

    /// The place of a key, and whether it had to be added, with this value.
    @inlinable
    mutating func place(of key: Key, orAdd value: @autoclosure () -> Value) -> (place: Int, isNew: Bool) {
        if !hasRoom(for: entries.count + 1) { grow(to: entries.count + 1) }
        let slot = slot(of: key)
        if slots[slot] != 0 { return (Int(slots[slot]) - 1, false) }
        entries.append(Entry(key: key, value: value()))
        slots[slot] = UInt32(entries.count)
        return (entries.count - 1, true)
    }

    /// Takes an entry out.
    @inlinable
    mutating func remove(at place: Int) -> Value {
        close(slot(of: entries[place].key))
        let last = entries.count - 1
        if place != last {
            slots[slot(of: entries[last].key)] = UInt32(place + 1)
            entries.swapAt(place, last)
        }
        return entries.removeLast().value
    }

    /// Empties a slot, and moves up those behind it that could not be found any more.
    @inlinable
    mutating func close(_ slot: Int) {
        var (gap, next) = (slot, (slot + 1) & mask)
        while slots[next] != 0 {
            let home = entries[Int(slots[next]) - 1].key.hashValue & mask
            // How far it lies behind its own place, and how far behind the gap.
            if (next - home) & mask >= (next - gap) & mask {
                slots[gap] = slots[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        slots[gap] = 0
    }

    /// Makes room for so many entries.
    @inlinable
    mutating func reserveCapacity(_ count: Int) {
        entries.reserveCapacity(count)
        if !hasRoom(for: count) { grow(to: count) }
    }

    /// Three quarters full at most, so that there is always a gap where a search ends.
    @inlinable
    func hasRoom(for count: Int) -> Bool { count <= slots.count / 4 * 3 }

    @inlinable
    mutating func grow(to count: Int) {
        var size = slots.count
        while count > size / 4 * 3 { size *= 2 }
        slots = Array(repeating: 0, count: size)
        for place in entries.indices {
            var slot = entries[place].key.hashValue & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(place + 1)
        }
    }
}
