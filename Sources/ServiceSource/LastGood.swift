package import ServiceModel

/// Documents that are valid only together, and the last set of them that was.
///
/// A wrong document never replaces a good one: it is held back, the others go on with its last good text, and one that
/// never was good is left out.
package struct LastGood<Value> {
    /// By name, the documents of the last good set.
    package private(set) var documents: [String: DefinitionInput] = [:]

    package init() {}

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
        var candidates = Dictionary(wanted.map { ($0.name, $0) }) { $1 }
        while true {
            do {
                let inputs = candidates.values.sorted { $0.name < $1.name }
                outcome.value = try decode(inputs)
                documents = candidates
                return outcome
            } catch {
                let errors = error.findings.filter { $0.severity == .error }
                for error in errors where !outcome.errors.contains(error) { outcome.errors.append(error) }
                let blamed = error.inputs.filter { differs($0, in: candidates) }
                guard holdBack(blamed, in: &candidates) else { return outcome }
            }
        }
    }

    private func differs(_ name: String, in candidates: [String: DefinitionInput]) -> Bool {
        candidates[name]?.bytes != documents[name]?.bytes
    }

    /// Puts last good documents in the place of new ones; false if that leads to nothing new.
    private func holdBack(_ blamed: Set<String>, in candidates: inout [String: DefinitionInput]) -> Bool {
        var names = blamed
        if names.isEmpty { names = Set(candidates.keys.filter { differs($0, in: candidates) }) }
        guard names.isEmpty else {
            for name in names { candidates[name] = documents[name] }
            return true
        }
        // Nothing is left but removals, and the good set as a whole is what was.
        return false
    }
}
