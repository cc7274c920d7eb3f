import Dataplane
import DataplaneConformance
import NFTables
import NFTablesBackend
import NetAddress
import PacketTrace
import ServiceModel
import ServicePlan

/// A disagreement, with all that it takes to see it again.
struct PropertyFailure: Error, CustomStringConvertible {
    let seed: UInt64
    let state: PropertyState
    var packet: Packet?
    var answer: PropertyAnswer?
    /// What was found to be different in the kernel from what was applied.
    var differences: [String] = []

    var description: String {
        var lines = ["seed \(seed); again with SVCCTL_PROPERTY_SEED=\(seed)", "node \(state.options.node)"]
        if let packet {
            lines.append(
                "packet \(packet.transport) from \(packet.source) to \(packet.destination.address) port "
                    + "\(packet.destination.port), \(packet.origin)")
        }
        if let answer { lines += Self.lines(answer) }
        lines += differences.prefix(20)
        return (lines + ["definitions", state.services.json]).joined(separator: "\n")
    }

    private static func lines(_ answer: PropertyAnswer) -> [String] {
        func text(_ outcomes: [(PacketTrace.Outcome, Fraction)], _ metLimit: Bool) -> String {
            outcomes.map { "\($0) \($1)" }.sorted().joined(separator: "; ") + (metLimit ? "; a limit counts" : "")
        }
        func text(_ path: PacketPath) -> String { text(path.outcomes.map { ($0, $1) }, path.metLimit) }
        return [
            "limits are \(answer.limits)", "plan    \(text(answer.reading.map { ($0, $1) }, answer.meetsLimit))",
            "desired \(text(answer.desired))", "actual  \(answer.actual.map(text) ?? "not asked")",
            answer.desired.text(isVerbose: false),
        ]
    }
}

// MARK: - Definitions as text

extension [Service] {
    /// In the native form, and beside it, by their names in the model, what only Kubernetes' objects can say.
    fileprivate var json: String {
        "{\"services\": [\n" + map(\.json.text).joined(separator: ",\n") + "\n]}"
    }
}

/// Members with an empty value are left out.
private struct PropertyJSON {
    private var members: [String] = []

    var text: String { "{" + members.joined(separator: ", ") + "}" }

    mutating func add(_ name: String, raw value: String) { members.append("\"\(name)\": \(value)") }

    mutating func add(_ name: String, _ value: (any CustomStringConvertible)?) {
        if let value { add(name, raw: "\"\(value)\"") }
    }

    mutating func add(_ name: String, number: (some BinaryInteger)?) {
        if let number { add(name, raw: "\(number)") }
    }

    mutating func add(_ name: String, _ values: [some CustomStringConvertible]) {
        guard !values.isEmpty else { return }
        add(name, raw: "[" + values.map { "\"\($0)\"" }.joined(separator: ", ") + "]")
    }

    mutating func add(_ name: String, _ values: [PropertyJSON]) {
        guard !values.isEmpty else { return }
        add(name, raw: "[" + values.map(\.text).joined(separator: ", ") + "]")
    }
}

extension Service {
    fileprivate var json: PropertyJSON {
        var json = PropertyJSON()
        json.add("name", name)
        json.add("clusterIPs", clusterIPs)
        json.add("externalIPs", externalIPs)
        json.add("loadBalancerIPs", loadBalancerIPs)
        json.add("loadBalancerSourceRanges", loadBalancerSourceRanges)
        json.add("allow", allowedSources)
        json.add("deny", deniedSources)
        if maxConnections != nil || maxConnectionsPerSource != nil {
            var limits = PropertyJSON()
            limits.add("perService", number: maxConnections)
            limits.add("perSource", number: maxConnectionsPerSource)
            json.add("maxConnections", raw: limits.text)
        }
        if let rate = newConnectionsPerSecond {
            json.add("newConnectionsPerSecond", raw: "{\"perSource\": \(rate.perSecond), \"burst\": \(rate.burst)}")
        }
        if let clientIPAffinitySeconds {
            json.add("sessionAffinity", raw: "{\"clientIP\": {\"timeoutSeconds\": \(clientIPAffinitySeconds)}}")
        }
        json.add("internalTrafficPolicy", internalTrafficPolicy.rawValue)
        json.add("externalTrafficPolicy", externalTrafficPolicy.rawValue)
        json.add("scheduler", scheduler.rawValue)
        json.add("trafficDistribution", trafficDistribution)
        if publishNotReadyAddresses { json.add("publishNotReadyAddresses", raw: "true") }
        if isFromKubernetes { json.add("isFromKubernetes", raw: "true") }
        json.add("creationTimestamp", creationTimestamp)
        json.add("ports", ports.map(\.json))
        json.add("endpoints", endpoints.map(\.json))
        return json
    }
}

extension ServicePort {
    fileprivate var json: PropertyJSON {
        var json = PropertyJSON()
        json.add("name", name)
        json.add("protocol", transport.kubernetesName)
        json.add("port", number: port)
        switch target {
        case .number(let number): json.add("targetPort", number: number)
        case .name(let name): json.add("targetPort", name)
        }
        json.add("nodePort", number: nodePort)
        return json
    }
}

extension Endpoint {
    fileprivate var json: PropertyJSON {
        var json = PropertyJSON()
        json.add("address", address)
        if !ports.isEmpty {
            json.add("ports", raw: "{" + ports.map { "\"\($0.name)\": \($0.port)" }.joined(separator: ", ") + "}")
        }
        if conditions != .ready {
            let named: [(String, EndpointConditions)] = [
                ("ready", .isReady), ("serving", .isServing), ("terminating", .isTerminating),
            ]
            json.add(
                "conditions",
                raw: "{" + named.map { "\"\($0)\": \(conditions.contains($1))" }.joined(separator: ", ") + "}")
        }
        json.add("nodeName", nodeName)
        json.add("zone", zone)
        if weight != 1 { json.add("weight", number: weight) }
        json.add("zoneHints", zoneHints)
        json.add("nodeHints", nodeHints)
        return json
    }
}
