import DataplaneTestKit
import Foundation
import NFTables
import NetAddress
import Netlink
import Testing

/// Text that is known to be an address.
func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

// What a namespace's kernel holds, as the stock tool and the kernel itself say it.

extension NetworkNamespace {
    /// The number of the ruleset, which every transaction raises.
    func generation() throws -> UInt32 {
        try run {
            var socket = try NFTablesSocket()
            return try socket.generation()
        }
    }

    /// All tables, without counters and handles.
    func ruleset() throws -> String { try tool(["nft", "-s", "list", "ruleset"]) }

    /// The elements of one of our sets or maps, in nft's words: `10.96.0.10 . tcp . 80` and what it leads to.
    func elements(_ family: String, _ name: String) throws -> [String: String] {
        let text = try tool(["nft", "-j", "list", name.contains("endpoints") ? "map" : "set", family, "svcctl", name])
        let objects = try #require(JSONText.object(text)["nftables"] as? [[String: Any]])
        let set = try #require(objects.lazy.compactMap { $0["set"] ?? $0["map"] }.first as? [String: Any])
        var elements: [String: String] = [:]
        for element in set["elem"] as? [Any] ?? [] {
            if let pair = element as? [Any], pair.count == 2 {
                elements[Self.words(pair[0])] = Self.words(pair[1])
            } else {
                elements[Self.words(element)] = ""
            }
        }
        return elements
    }

    /// A key or a value as nft writes it.
    private static func words(_ value: Any) -> String {
        guard let object = value as? [String: Any] else { return "\(value)" }
        if let element = object["elem"] as? [String: Any] { return element["val"].map(words) ?? "?" }
        return (object["concat"] as? [Any] ?? []).map(words).joined(separator: " . ")
    }
}

/// JSON as tests compare it.
enum JSONText {
    static func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// The objects of `nft -j list ruleset`, without handles and without what it says of itself.
    static func rulesetObjects(_ text: String) throws -> [String] {
        let objects = try #require(object(text)["nftables"] as? [[String: Any]])
        return try objects.filter { $0["metainfo"] == nil }.map { entry in
            let cleaned = entry.mapValues { value -> Any in
                guard var value = value as? [String: Any] else { return value }
                value["handle"] = nil
                return value
            }
            let data = try JSONSerialization.data(withJSONObject: cleaned, options: .sortedKeys)
            return String(decoding: data, as: UTF8.self)
        }
    }
}
