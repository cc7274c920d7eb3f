internal import Agent
internal import EtcdSource
internal import Logging
internal import ServiceSource

/// Makes sources of what `--source` names. This is the one place that knows which kinds there are.
enum SourceFactory {
    /// - Throws: ``WrongSource`` for an address that leads nowhere.
    static func sources(_ settings: AgentSettings) throws(WrongSource) -> [any DefinitionSource] {
        var sources: [any DefinitionSource] = []
        for address in settings.sources {
            switch address {
            case .file(let path): sources.append(FileSource(path))
            case .etcd(let url): sources.append(try etcd(url, settings.etcd))
            }
        }
        return sources
    }

    private static func etcd(_ url: String, _ access: EtcdAccess) throws(WrongSource) -> EtcdSource {
        do {
            let credentials = EtcdCredentials(
                user: access.user, passwordFile: access.passwordFile, authorityFile: access.caFile,
                certificateFile: access.certificateFile, keyFile: access.keyFile)
            return EtcdSource(try EtcdLocation(url), credentials: credentials, logger: Logger(label: "etcd"))
        } catch {
            throw WrongSource(reason: "\(error)")
        }
    }
}

/// A source that the configuration names and that cannot be.
public struct WrongSource: Error, CustomStringConvertible {
    let reason: String
    public var description: String { "source: \(reason)" }
}
