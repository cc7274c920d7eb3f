package import ServiceModel

/// Documents that are valid only together, and the last set of them that was.
///
/// A wrong document never replaces a good one: it is held back, the others go on with its last good text, and one that
/// never was good is left out.
package struct LastGood<Value> {
    /// The documents of the last good set, in order of their names. A store has thousands of these sets, most with a single
    /// document.
    package private(set) var documents: [DefinitionInput] = []

    package init() {}

    /// The last good document of a name.
    package subscript(name: String) -> DefinitionInput? {
        let place = documents.partitionPoint { $0.name >= name }
        return place < documents.count && documents[place].name == name ? documents[place] : nil
    }

    /// What came of a new set of documents.
    package struct Outcome {
        /// What to go by now; nil to stay with what was.
        package var value: Value?
        /// What is wrong, each error once, in the order in which it was found.
        package var errors: [Finding] = []
        /// Whether all documents are taken as they are.
        package var isClean: Bool { errors.isEmpty }
    }

    /// Takes as much of a set of documents as is valid.
    ///
    /// The documents that errors name are held back first. If these did not change, another one that did must be to
    /// blame, and all changes are held back but removals; if even that is not valid, removals too.
    package mutating func settle(
        _ wanted: [DefinitionInput], decode: ([DefinitionInput]) throws(InvalidDefinitions) -> Value
    ) -> Outcome {
        var outcome = Outcome()
        var candidates =
            wanted.count > 1
            ? Dictionary(wanted.map { ($0.name, $0) }) { $1 }.values.sorted { $0.name < $1.name } : wanted
        while true {
            do {
                outcome.value = try decode(candidates)
                documents = candidates
                return outcome
            } catch {
                let errors = error.findings.filter { $0.severity == .error }
                for error in errors where !outcome.errors.contains(error) { outcome.errors.append(error) }
                guard holdBack(error.inputs, in: &candidates) else { return outcome }
            }
        }
    }

    /// Puts last good documents in the place of new ones; false if that leads to nothing new: nothing is left then but
    /// removals, and the good set as a whole is what was.
    private func holdBack(_ blamed: Set<String>, in candidates: inout [DefinitionInput]) -> Bool {
        let different = candidates.filter { $0.bytes != self[$0.name]?.bytes }
        let names = different.filter { blamed.contains($0.name) }
        let held = Set((names.isEmpty ? different : names).map(\.name))
        candidates = candidates.compactMap { held.contains($0.name) ? self[$0.name] : $0 }
        return !held.isEmpty
    }
}

extension Array {
    /// The first place where something holds that holds from some place on.
    fileprivate func partitionPoint(_ holds: (Element) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
