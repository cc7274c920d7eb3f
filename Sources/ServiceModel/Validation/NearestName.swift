/// Finds what somebody probably meant.
public enum NearestName {
    /// The name that a misspelt one is nearest to; nil if none is near.
    public static func suggestion(for misspelt: String, among names: some Sequence<String>) -> String? {
        let text = Array(misspelt.lowercased().utf8)
        guard !text.isEmpty, text.count <= 64 else { return nil }
        var best: (distance: Int, name: String)?
        for name in names {
            let candidate = Array(name.lowercased().utf8)
            let limit = max(1, min(3, max(text.count, candidate.count) / 3))
            let distance = distance(text, candidate)
            if distance <= limit, distance < best?.distance ?? .max { best = (distance, name) }
        }
        return best?.name
    }

    /// `; did you mean "NAME"?`, or nothing.
    static func hint(for misspelt: String, among names: some Sequence<String>) -> String {
        suggestion(for: misspelt, among: names).map { "; did you mean \($0.quoted)?" } ?? ""
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in left.indices {
            var current = [row + 1]
            for column in right.indices {
                let replaced = last[column] + (left[row] == right[column] ? 0 : 1)
                var cost = min(replaced, last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last.last ?? left.count
    }
}
