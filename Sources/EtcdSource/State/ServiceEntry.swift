internal import ServiceModel
internal import ServiceSource

/// A service as the store has it, and the last state of it that was good.
struct ServiceEntry {
    typealias Note = (severity: Finding.Severity, message: String)

    var documents = ServiceDocuments()
    /// Whether the service was handed out.
    private(set) var isServed = false
    private var lastGood = LastGood<Service?>()
    /// When the service was made, as those who sort by age have it.
    private var age: (revision: Int64, text: String) = (0, "")
    /// Keys that have findings.
    private var noted: [String] = []

    /// Whether nothing is left to know of it.
    var isGone: Bool { documents.isEmpty && !isServed && noted.isEmpty }

    /// Takes the service's own document, nil if it is gone.
    ///
    /// - Returns: the one before.
    mutating func replace(_ document: StoredDocument?, madeIn createRevision: Int64) -> StoredDocument? {
        defer { (documents.service, documents.createRevision) = (document, createRevision) }
        return documents.service
    }

    /// Whether the store has just what is handed out.
    func isAsServed(_ name: ServiceName, _ layout: KeyLayout) -> Bool {
        guard let service = documents.service, lastGood.documents.count == documents.endpoints.count + 1 else {
            return false
        }
        return lastGood[layout.service(name)]?.bytes == service.bytes
            && documents.endpoints.allSatisfy { id, document in
                lastGood[layout.endpoint(name, id: id)]?.bytes == document.bytes
            }
    }

    /// Takes of the store's documents what is good.
    ///
    /// - Returns: the service if it is to be handed out anew, a nil in it if it is gone; nil for no change.
    mutating func settle(
        _ name: ServiceName, _ layout: KeyLayout, _ findings: inout FindingBoard, now: Timestamp
    ) -> Service?? {
        var notes: [String: [Note]] = [:]
        defer { note(notes, in: &findings, now) }
        guard documents.service != nil else {
            let wasServed = isServed
            isServed = false
            lastGood = LastGood()
            if !documents.endpoints.isEmpty {
                let count = documents.endpoints.count
                notes[layout.endpoints(name)] = [(.warning, "\(count) of a service that is not defined")]
            }
            return wasServed ? .some(nil) : nil
        }
        let key = layout.service(name)
        let before = lastGood.documents
        let outcome = lastGood.settle(wanted(key, name, layout, &notes)) { (inputs) throws(InvalidDefinitions) in
            guard let service = inputs.first(where: { $0.name == key }) else { return nil }
            let stored = try StoredService(
                decoding: service, named: name, endpoints: inputs.filter { $0.name != key })
            for warning in stored.warnings {
                notes[warning.place.input, default: []].append((.warning, warning.messageWithinDocument))
            }
            return stored.service
        }
        for error in outcome.errors {
            notes[error.place.input, default: []].append((.error, error.messageWithinDocument))
        }
        guard let value = outcome.value else { return nil }
        guard var service = value else {
            // Endpoints without a service were not checked, and are not good yet.
            lastGood = LastGood()
            return nil
        }
        noteHeldBack(key, name, layout, &notes)
        guard !isServed || before != lastGood.documents else { return nil }
        isServed = true
        if age.revision != documents.createRevision || age.text.isEmpty {
            age = (documents.createRevision, Self.age(documents.createRevision))
        }
        service.creationTimestamp = age.text
        return .some(service)
    }

    /// The documents to go by, endpoints in order of their IDs. In the place of one that is not looked at comes the last
    /// good one.
    private func wanted(
        _ serviceKey: String, _ name: ServiceName, _ layout: KeyLayout, _ notes: inout [String: [Note]]
    ) -> [DefinitionInput] {
        var result: [DefinitionInput] = []
        for (key, document) in all(serviceKey, name, layout) {
            if let problem = document.problem {
                notes[key, default: []].append((.error, problem))
                if let good = lastGood[key] { result.append(good) }
            } else {
                result.append(DefinitionInput(name: key, bytes: document.bytes))
            }
        }
        return result
    }

    private func all(
        _ serviceKey: String, _ name: ServiceName, _ layout: KeyLayout
    ) -> [(key: String, document: StoredDocument)] {
        var all = documents.service.map { [(serviceKey, $0)] } ?? []
        if !documents.endpoints.isEmpty {
            all += documents.endpoints.sorted { $0.key < $1.key }.map { (layout.endpoint(name, id: $0), $1) }
        }
        return all
    }

    /// What is right in itself may have to wait for another document.
    private func noteHeldBack(
        _ serviceKey: String, _ name: ServiceName, _ layout: KeyLayout, _ notes: inout [String: [Note]]
    ) {
        guard !notes.isEmpty, let blamed = notes.filter({ $0.value.contains { $0.severity == .error } }).keys.min()
        else { return }
        for (key, document) in all(serviceKey, name, layout) where notes[key] == nil {
            if lastGood[key]?.bytes != document.bytes {
                notes[key] = [(.error, "held back, since it does not go with \(blamed)")]
            }
        }
    }

    private mutating func note(_ notes: [String: [Note]], in findings: inout FindingBoard, _ now: Timestamp) {
        for key in noted where notes[key] == nil { findings.set([], for: key, now: now) }
        for (key, notes) in notes { findings.set(notes, for: key, now: now) }
        noted = notes.isEmpty ? [] : Array(notes.keys)
    }

    /// A text that sorts by age, behind all times: revisions only count within their store.
    private static func age(_ revision: Int64) -> String {
        let digits = String(revision)
        return "revision " + String(repeating: "0", count: max(0, 19 - digits.count)) + digits
    }
}
