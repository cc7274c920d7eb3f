internal import Agent
internal import Glibc
internal import NFTables
internal import ServiceModel
internal import ServiceSource

extension AgentRecord {
    /// What is wrong now, one line each, worst first.
    private var problems: [String] {
        var lines: [String] = []
        if let lastError { lines.append("kernel: \(lastError) (\(failuresInARow) failures in a row)") }
        if let rejected { lines.append("configuration: \(rejected)") }
        if let awaited { lines.append("configuration: \(awaited)") }
        if let node = news.node, let deletion = node.deletion {
            lines.append("node \(node.name): it is being deleted, and /healthz says so: \(deletion.reason)")
        }
        for (name, state) in news.states {
            guard let problem = state.problem else { continue }
            lines.append("\(name): \(state.name) since \(problem.since): \(problem.message)")
        }
        for finding in news.findings {
            lines.append("\(finding.document): \(finding.message) (since \(finding.since))")
        }
        let kept = refused.merging(news.unfit) { $1 }
        for (name, reason) in kept.sorted(by: { $0.key < $1.key }) {
            lines.append("\(name): not served as it is defined: \(reason)")
        }
        for conflict in engine.conflicts { lines.append("\(conflict)") }
        for (_, message) in wrongSysctls.sorted(by: { $0.key < $1.key }) { lines.append(message) }
        return lines
    }

    var statusText: String {
        let state = readySince.map { "ready since \($0)" } ?? "not ready"
        var text = "agent \(version), process \(getpid()), started \(startedAt), \(state)"
        text += lastSuccess.map { ", last brought up to date \($0)\n" } ?? "\n"
        for (name, state) in news.states { text += "source \(name): \(state.name)\n" }
        for problem in problems { text += "! \(problem)\n" }
        return text
    }

    var statusJSON: JSON {
        [
            "version": .string(version), "process": .number(Int(getpid())), "startedAt": .string(startedAt.description),
            "ready": .bool(readySince != nil), "healthy": .bool(isHealthy()),
            "nodeEligible": .bool(isNodeEligible),
            "readySince": Self.json(readySince), "lastSuccess": Self.json(lastSuccess),
            "configurationAwaits": (rejected ?? awaited).map { .string($0) } ?? nil,
            "lastError": lastError.map { .string($0) } ?? nil, "failuresInARow": .number(failuresInARow),
            "services": .number(engine.services), "frontends": .number(engine.frontends),
            "sources": .array(
                news.states.map { name, state -> JSON in
                    [
                        "name": .string(name), "state": .string(state.name),
                        "problem": state.problem.map { .string($0.kind.rawValue) } ?? nil,
                        "message": state.problem.map { .string($0.message) } ?? nil,
                        "since": Self.json(state.problem?.since),
                    ]
                }),
            "findings": .array(
                news.findings.map { finding -> JSON in
                    [
                        "document": .string(finding.document), "severity": .string(finding.severity.rawValue),
                        "message": .string(finding.message), "since": Self.json(finding.since),
                    ]
                }),
            "refused": .array(
                refused.merging(news.unfit) { $1 }.sorted { $0.key < $1.key }.map { name, reason -> JSON in
                    ["service": .string(name.description), "reason": .string(reason)]
                }),
            "conflicts": .array(engine.conflicts.map { .string("\($0)") }),
            "sysctls": .array(
                wrongSysctls.sorted { $0.key < $1.key }.map { name, message -> JSON in
                    ["name": .string(name), "message": .string(message)]
                }),
        ]
    }

    private static func json(_ time: Timestamp?) -> JSON { time.map { .string($0.description) } ?? nil }
}
