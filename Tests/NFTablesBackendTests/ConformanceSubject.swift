import Dataplane
import DataplaneConformance
import DataplaneTestKit
import Foundation
import NFTablesBackend
import ServiceModel
import ServicePlan

/// The nftables backend as the conformance suite drives it.
struct NFTablesSubject: SystemUnderTest {
    var abilities: Abilities {
        var abilities = Abilities(
            schedulers: [.random, .roundRobin, .sourceHash, .maglev], restrictions: Set(Restriction.allCases))
        abilities.endedByStraySegments = .all
        return abilities
    }

    func apply(services: [Service], node: NodeFacts, in namespace: NetworkNamespace) throws {
        try Desired(services: services, node: node).applyAndEndFlows(in: namespace)
    }

    func differences(services: [Service], node: NodeFacts, in namespace: NetworkNamespace) throws -> [String] {
        try Desired(services: services, node: node).differences(in: namespace)
    }

    func removeAll(in namespace: NetworkNamespace) throws {
        _ = try namespace.run {
            var backend = NFTablesBackend(options: LayoutOptions())
            return try backend.removeAll()
        }
    }

    func damage(in namespace: NetworkNamespace) throws {
        try namespace.nft("flush chain ip svcctl nat_prerouting\nflush chain ip6 svcctl nat_prerouting\n")
    }

    /// The ruleset as stock nft lists it, an object a line. Objects are sorted, since they come in the order in which
    /// they were made. The rules of a chain keep their order, but for those that come and go with services,
    /// where it means nothing.
    func stateFingerprint(in namespace: NetworkNamespace) throws -> String {
        let listing = try namespace.tool(["nft", "-j", "list", "ruleset"])
        let object = try JSONSerialization.jsonObject(with: Data(listing.utf8)) as? [String: Any]
        let entries = object?["nftables"] as? [[String: Any]] ?? []
        var places: [String: Int] = [:]
        let lines = try entries.filter { $0["metainfo"] == nil }.map { entry -> String in
            let text = try Self.text(Self.normalized(entry))
            guard let rule = entry["rule"] as? [String: Any], let chain = rule["chain"] as? String,
                !chain.hasPrefix("pick_"), !["remembered", "update_affinity", "forget"].contains(chain)
            else { return text }
            let key = "\(rule["family"] ?? "") \(chain)"
            places[key, default: 0] += 1
            return "\(key) rule \(places[key, default: 0]) \(text)"
        }
        return lines.sorted().joined(separator: "\n")
    }

    /// Without handles and counts; elements in an order of their own.
    private static func normalized(_ value: Any) throws -> Any {
        if let list = value as? [Any] { return try list.map(normalized) }
        guard var object = value as? [String: Any] else { return value }
        object["handle"] = nil
        if object["counter"] != nil { object["counter"] = "counted" }
        object = try object.mapValues(normalized)
        // What goes by itself is a memory, and nobody's wish.
        if object["timeout"] != nil { object["elem"] = nil }
        if let elements = object["elem"] as? [Any] { object["elem"] = try elements.map(text).sorted() }
        return object
    }

    private static func text(_ value: Any) throws -> String {
        let data = try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .fragmentsAllowed])
        return String(decoding: data, as: UTF8.self)
    }
}
