internal import NFTables
internal import NetAddress

// A path in words, for an operator.

extension PacketPath {
    /// Lines of text: the chains, in them the rules that did something, and what becomes of the packet.
    ///
    /// - Parameter isVerbose: whether to print every rule that was evaluated.
    public func text(isVerbose: Bool = false) -> String {
        var lines = [title]
        let lastPostrouting = stages.lastIndex { $0.point == .postrouting && $0.kind == .nat }
        for (index, stage) in stages.enumerated() {
            lines += stage.lines(isVerbose: isVerbose)
            if index == lastPostrouting { lines.append("postrouting: \(masquerading(stage.probability))") }
        }
        lines += outcomeLines
        lines += notes.map { "note: \($0)" }
        return lines.map { $0 + "\n" }.joined()
    }

    /// `tcp 192.0.2.100 -> 10.96.0.10:80, through eth0`
    private var title: String {
        let way =
            switch packet.origin {
            case .node: "from a process of the node"
            case .interface(let name?): "through \(name)"
            case .interface(nil): "from outside"
            }
        return "\(packet.transport) \(packet.source) -> \(packet.destination.text), \(way)"
    }

    private func masquerading(_ arriving: Fraction) -> String {
        let share = outcomes.reduce(Fraction.zero) { sum, next in
            if case .delivered(_, masqueraded: true) = next.outcome { sum + next.probability } else { sum }
        }
        if share == .zero { return "not masqueraded" }
        return share >= arriving ? "masqueraded" : "masqueraded with probability \(share)"
    }

    /// What becomes of the packet, a line for each: of many, the first ten.
    public var outcomeLines: [String] {
        let most = 10
        var lines = outcomes.prefix(most).map { outcome, probability in
            "= \(describe(outcome, probability == .one ? "" : " with probability \(probability)"))"
        }
        let rest = outcomes.dropFirst(most)
        if !rest.isEmpty {
            let share = rest.reduce(Fraction.zero) { $0 + $1.probability }
            lines.append("= \(rest.count) more, together with probability \(share)")
        }
        return lines
    }

    private func describe(_ outcome: Outcome, _ probability: String) -> String {
        switch outcome {
        case .delivered(let address, let isMasqueraded):
            address.text + probability + (isMasqueraded ? ", masqueraded" : "")
        case .refused: "refused" + probability
        case .dropped: "dropped" + probability
        case .unchanged: "goes on to \(packet.destination.text) as it came" + probability
        }
    }
}

extension Stage {
    fileprivate func lines(isVerbose: Bool) -> [String] {
        var lines = steps.flatMap { $0.lines(isVerbose: isVerbose) }
        if droppedByPolicy > .zero { lines.append("  \(chain): dropped by the chain's policy") }
        if lines.isEmpty, !isVerbose { return [] }
        return ["\(point): chain \(chain)"] + lines
    }
}

extension Step {
    fileprivate func lines(isVerbose: Bool) -> [String] {
        guard isVerbose || isTelling else { return [] }
        let inner = children.flatMap { $0.lines(isVerbose: isVerbose) }
        // A mere way to another chain is seen by what that chain does.
        if !isVerbose, findings.allSatisfy({ $0.kind == .verdict && !$0.isTelling }) { return inner }
        let end = matched == .zero && findings.last?.kind != .note ? ["no match"] : []
        let text = (findings.map(\.text) + end).joined(separator: "; ")
        return ["  \(chain)\(isVerbose ? " rule \(number)" : ""): \(text)"] + inner
    }
}
