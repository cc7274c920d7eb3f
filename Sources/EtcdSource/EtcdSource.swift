public import Logging
public import ServiceSource

/// Definitions in etcd (version 3.4 or later), read and watched by its HTTP JSON gateway.
///
/// Under the prefix, `services/NAMESPACE/NAME` holds one native service object and `endpoints/NAMESPACE/NAME/ID` one
/// native endpoint object that adds to the service's own; `nodes/NAME` holds one Kubernetes `Node` object. A document that
/// is wrong keeps its last good state, or is left out if it is new; all others go on.
///
/// Whatever happens to etcd, no service is taken away unless etcd says so within the history that was read up to then.
/// If the history is another one (data were lost, or restored), or nothing at all is there any more, the last good state
/// stays, ``SourceState/stale(_:)`` says why, and the operator decides: either everything comes back as it was, or the
/// key `accept` is written under the prefix, with any value, which takes the store as it is.
public struct EtcdSource: DefinitionSource {
    public let location: EtcdLocation
    let credentials: EtcdCredentials
    let timing: EtcdTiming
    let logger: Logger

    /// - Parameter logger: is told of connections, for debugging; what matters is in the updates.
    public init(
        _ location: EtcdLocation, credentials: EtcdCredentials = EtcdCredentials(), timing: EtcdTiming = EtcdTiming(),
        logger: Logger = Logger(label: "etcd", factory: { _ in SwiftLogNoOpLogHandler() })
    ) {
        self.location = location
        self.credentials = credentials
        self.timing = timing
        self.logger = logger
    }

    public var name: String { location.description }

    /// Why a value would not even be looked at; nil if it would be.
    package static func problem(ofValue value: [UInt8]) -> String? { StoredDocument(value).problem }

    public func updates() -> SourceUpdates {
        let (updates, mailbox) = SourceUpdates.makeMailbox()
        let watcher = EtcdWatcher(self, mailbox)
        let task = Task.detached { await watcher.run() }
        mailbox.onTermination { task.cancel() }
        return updates
    }
}
