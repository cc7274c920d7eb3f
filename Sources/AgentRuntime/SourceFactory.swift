internal import Agent
internal import ServiceSource

/// Makes sources of what `--source` names. This is the one place that knows which kinds there are.
enum SourceFactory {
    /// - Throws: ``UnknownSource`` for what this version cannot read.
    static func sources(_ settings: AgentSettings) throws(UnknownSource) -> [any DefinitionSource] {
        var sources: [any DefinitionSource] = []
        for address in settings.sources {
            switch address {
            case .file(let path): sources.append(FileSource(path))
            case .etcd: throw UnknownSource(address: address)
            }
        }
        return sources
    }
}

/// A source of a kind that this version does not have.
public struct UnknownSource: Error, CustomStringConvertible {
    let address: SourceAddress
    public var description: String { "this version has no source for \(address)" }
}
