/// A value in one of several inputs.
struct NodeReference: Hashable, Sendable {
    var input: Int
    var node: NodeID
}

/// Gathers findings while inputs are decoded. Lines and paths are worked out at the end, for those that are kept.
final class FindingCollector {
    /// How many errors, and how many warnings, are kept. Each costs a walk through its document.
    private let limit: Int

    init(limit: Int = Definitions.usualFindings) { self.limit = limit }

    struct Note {
        enum Place {
            case node(NodeID)
            case syntax(SyntaxError.Place)
        }

        var severity: Finding.Severity
        var input: Int
        var place: Place
        var message: String
        /// A second place, to be named at the end of the message.
        var other: NodeReference?

        /// Notes of one input are in the order of its nodes.
        fileprivate var rank: (Int, UInt32, String) {
            if case .node(let node) = place { (input, node.index, message) } else { (input, 0, message) }
        }
    }

    private(set) var errorCount = 0
    private(set) var warningCount = 0
    /// The inputs that have errors.
    private(set) var invalidInputs: Set<Int> = []
    private var errors: [Note] = []
    private var warnings: [Note] = []

    func add(_ note: Note) {
        switch note.severity {
        case .error:
            errorCount += 1
            invalidInputs.insert(note.input)
            keep(note, in: &errors)
        case .warning:
            warningCount += 1
            keep(note, in: &warnings)
        }
    }

    /// Keeps the first notes by place. Sorting now and then bounds both memory and time.
    private func keep(_ note: Note, in notes: inout [Note]) {
        notes.append(note)
        if notes.count >= 16 * limit { notes = first(of: notes) }
    }

    private func first(of notes: [Note]) -> [Note] {
        Array(notes.sorted { $0.rank < $1.rank }.prefix(limit))
    }

    // MARK: - The result

    /// Errors and warnings in order of place, and a last one that says how many more there are.
    func allFindings(inputs: [DefinitionInput], trees: [DocumentTree?]) -> [Finding] {
        finish(first(of: errors) + first(of: warnings), inputs, trees)
            + omitted(errorCount, .error, "errors", inputs) + omitted(warningCount, .warning, "warnings", inputs)
    }

    /// All of it, as the reason to refuse the inputs.
    func refusal(of inputs: [DefinitionInput], trees: [DocumentTree?]) -> InvalidDefinitions {
        InvalidDefinitions(
            findings: allFindings(inputs: inputs, trees: trees), inputs: Set(invalidInputs.map { inputs[$0].name }))
    }

    func warningFindings(inputs: [DefinitionInput], trees: [DocumentTree?]) -> [Finding] {
        guard warningCount > 0 else { return [] }
        return finish(first(of: warnings), inputs, trees) + omitted(warningCount, .warning, "warnings", inputs)
    }

    private func omitted(
        _ count: Int, _ severity: Finding.Severity, _ what: String, _ inputs: [DefinitionInput]
    ) -> [Finding] {
        guard count > limit else { return [] }
        let message = "\(count - limit) more \(what) are not shown"
        return [Finding(severity: severity, place: Place(input: inputs.last?.name ?? ""), message: message)]
    }

    private func finish(_ notes: [Note], _ inputs: [DefinitionInput], _ trees: [DocumentTree?]) -> [Finding] {
        let places = PlaceFinder(notes: notes, inputs: inputs, trees: trees)
        let placed = notes.map { note in
            var message = note.message
            if let other = note.other {
                message += "; see \(places.place(input: other.input, .node(other.node), withPath: false).position)"
            }
            let place = places.place(input: note.input, note.place, withPath: true)
            return (note.input, Finding(severity: note.severity, place: place, message: message))
        }
        return placed.sorted {
            let (left, right) = ($0.1.place, $1.1.place)
            return ($0.0, left.line, left.column, $0.1.message) < ($1.0, right.line, right.column, $1.1.message)
        }.map(\.1)
    }
}

/// Lines, columns and paths for a set of notes.
private struct PlaceFinder {
    let inputs: [DefinitionInput]
    let trees: [DocumentTree?]
    /// By input, then by byte offset.
    private var marks: [Int: [Int: TextMark]] = [:]

    init(notes: [FindingCollector.Note], inputs: [DefinitionInput], trees: [DocumentTree?]) {
        self.inputs = inputs
        self.trees = trees
        var offsets: [Int: [Int]] = [:]
        for note in notes {
            if let offset = offset(input: note.input, note.place) { offsets[note.input, default: []].append(offset) }
            if let other = note.other, let offset = offset(input: other.input, .node(other.node)) {
                offsets[other.input, default: []].append(offset)
            }
        }
        for (input, offsets) in offsets { marks[input] = TextPositions.marks(of: offsets, in: inputs[input].bytes) }
    }

    private func offset(input: Int, _ place: FindingCollector.Note.Place) -> Int? {
        switch place {
        case .syntax(.offset(let offset)): offset
        case .node(let node): trees[input].flatMap { $0.marks.isEmpty ? $0.sourceOffset(of: node) : nil }
        default: nil
        }
    }

    func place(input: Int, _ place: FindingCollector.Note.Place, withPath: Bool) -> Place {
        var mark: TextMark?
        var path = ""
        switch place {
        case .syntax(.mark(let given)): mark = given
        case .node(let node):
            mark = trees[input].flatMap { $0.marks.isEmpty ? nil : $0.marks[Int(node.index)] }
            if withPath { path = trees[input]?.path(to: node) ?? "" }
        default: break
        }
        if mark == nil { mark = offset(input: input, place).flatMap { marks[input]?[$0] } }
        return Place(input: inputs[input].name, line: Int(mark?.line ?? 0), column: Int(mark?.column ?? 0), path: path)
    }
}
