/// A summary of any number of elements in a fixed room, from which the elements that only one of two summaries has can be
/// read, as long as these are few: an invertible Bloom look-up table (Eppstein, Goodrich, Uyeda, Varghese: What's the
/// Difference?, SIGCOMM 2011).
///
/// Each element is in one cell of each third of the table. A cell holds how many elements are in it, and their words and
/// digests, combined by exclusive or: adding and taking away cost the same whatever else is there. Where two summaries are
/// subtracted, what both have is gone. A cell with one element left shows it; taken out of its other cells, it leaves
/// others alone in theirs.
///
/// It lies in memory that somebody else has, and keeps alive as long as this.
struct ElementSketch {
    private let cells: UnsafeMutableBufferPointer<UInt64>
    /// What digests are made with.
    let seed: UInt64

    private static let cellsOfThird = 4096
    private static var cellCount: Int { 3 * cellsOfThird }
    /// The number of elements, their words, their digests.
    private static var cellWords: Int { SketchItem.wordCount + 2 }
    /// How many words of memory it takes: 864 KiB.
    static var wordCount: Int { cellCount * cellWords }

    /// - Parameter cells: ``wordCount`` words; all zero is a sketch of nothing.
    init(_ cells: UnsafeMutableBufferPointer<UInt64>, seed: UInt64) {
        precondition(cells.count == Self.wordCount)
        self.cells = cells
        self.seed = seed
    }

    func removeAll() { cells.update(repeating: 0) }

    func add(_ item: SketchItem) { toggle(item, counting: 1) }
    func remove(_ item: SketchItem) { toggle(item, counting: .max) }

    @inline(__always)
    private func toggle(_ item: SketchItem, counting count: UInt64) {
        let digest = item.digest(seed)
        for third in 0..<3 {
            let cell = Self.place(of: digest, third)
            cells[cell] &+= count
            for index in 0..<SketchItem.wordCount { cells[cell + 1 + index] ^= item.words[index] }
            cells[cell + 1 + SketchItem.wordCount] ^= digest
        }
    }

    /// Where the cell of a third begins.
    @inline(__always)
    private static func place(of digest: UInt64, _ third: Int) -> Int {
        let cell = Int(truncatingIfNeeded: digest >> UInt64(20 * third)) & (cellsOfThird - 1)
        return (third * cellsOfThird + cell) * cellWords
    }

    /// The elements that either this or another sketch lacks, with the same seed: an element that has another value in
    /// each of them comes twice. This one is used up.
    ///
    /// - Returns: nil if they are too many: more than some nine thousand.
    func differences(from other: ElementSketch) -> [SketchItem]? {
        for cell in stride(from: 0, to: cells.count, by: Self.cellWords) {
            cells[cell] &-= other.cells[cell]
            for index in cell + 1..<cell + Self.cellWords { cells[index] ^= other.cells[index] }
        }
        var items: [SketchItem] = []
        var open = Array(stride(from: 0, to: cells.count, by: Self.cellWords))
        while let cell = open.popLast() {
            guard let item = onlyItem(of: cell) else { continue }
            // Words that are no sketch could go on for ever.
            guard items.count < Self.cellCount else { return nil }
            items.append(item)
            toggle(item, counting: 0 &- cells[cell])
            let digest = item.digest(seed)
            for third in 0..<3 { open.append(Self.place(of: digest, third)) }
        }
        return cells.allSatisfy { $0 == 0 } ? items : nil
    }

    /// The item of a cell that holds nothing else.
    private func onlyItem(of cell: Int) -> SketchItem? {
        guard cells[cell] == 1 || cells[cell] == .max else { return nil }
        let item = SketchItem(words: InlineArray<7, UInt64> { cells[cell + 1 + $0] })
        return item.digest(seed) == cells[cell + 1 + SketchItem.wordCount] ? item : nil
    }
}
