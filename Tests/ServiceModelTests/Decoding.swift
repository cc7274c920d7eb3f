import Foundation
import NetAddress
import ServiceModel
import Testing

/// Decodes texts as inputs named `a`, `b`, `c`….
func decode(_ texts: String...) throws -> Definitions {
    try Definitions(decoding: inputs(texts))
}

/// What decoding complains about, one line a finding; empty if it succeeds.
func complaints(_ texts: String...) -> [String] {
    do {
        _ = try Definitions(decoding: inputs(texts))
        return []
    } catch {
        return error.findings.map(\.description)
    }
}

private func inputs(_ texts: [String]) -> [DefinitionInput] {
    zip("abcdefgh", texts).map { DefinitionInput(name: String($0), bytes: Array($1.utf8)) }
}

/// A native service with what is required, and more members if given.
func service(_ name: String = "shop/web", address: String = "10.96.0.10", with more: String = "") -> String {
    #"{"name": "\#(name)", "clusterIPs": ["\#(address)"], "ports": [{"port": 80}]\#(more)}"#
}

/// A native document of services.
func document(_ services: String...) -> String {
    #"{"services": [\#(services.joined(separator: ", "))]}"#
}

func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

/// What a real API server printed: twelve services and their slices.
func clusterJSON() throws -> [UInt8] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return Array(try Data(contentsOf: folder.appending(path: "Data/cluster.json")))
}
