internal import ServiceModel

/// One line of a watch's stream. Every change of a definition comes as one, so it is read without Codable.
struct WatchMessage {
    /// One change of one key.
    struct Event {
        var key: [UInt8]
        /// Nil if the key was deleted.
        var value: [UInt8]?
        var createRevision: Int64
        var modRevision: Int64
    }

    struct Result {
        var clusterID: String?
        var revision: Int64?
        var isCreated = false
        var isCanceled = false
        var compactRevision: Int64?
        var cancelReason: String?
        var events: [Event] = []
    }

    var result: Result?
    var error: GatewayError?

    /// Nil for what etcd would not say.
    init?(line: [UInt8]) {
        guard let view = JSONView(line), view.isObject else { return nil }
        error = view["error"].map(GatewayError.init)
        guard let result = view["result"] else { return }
        guard let result = Result(result) else { return nil }
        self.result = result
    }
}

extension WatchMessage.Result {
    fileprivate init?(_ view: JSONView) {
        guard view.isObject else { return nil }
        clusterID = view["header"]?["cluster_id"]?.string
        revision = view["header"]?["revision"]?.integer
        isCreated = view["created"]?.isTrue ?? false
        isCanceled = view["canceled"]?.isTrue ?? false
        compactRevision = view["compact_revision"]?.integer
        cancelReason = view["cancel_reason"]?.string
        for event in view["events"]?.elements ?? [] {
            guard let event = WatchMessage.Event(event) else { return nil }
            events.append(event)
        }
    }
}

extension WatchMessage.Event {
    fileprivate init?(_ view: JSONView) {
        guard let pair = view["kv"], let key = pair["key"]?.decodedBytes,
            let modRevision = pair["mod_revision"]?.integer
        else { return nil }
        self.key = key
        self.modRevision = modRevision
        createRevision = pair["create_revision"]?.integer ?? 0
        guard view["type"]?.string != "DELETE" else { return }
        value = []
        guard let text = pair["value"] else { return }
        guard let bytes = text.decodedBytes else { return nil }
        value = bytes
    }
}

extension GatewayError {
    fileprivate init(_ view: JSONView) {
        func number(_ view: JSONView?) -> Int? { view?.integer.flatMap { Int(exactly: $0) } }
        self.init(
            code: number(view["code"]), grpcCode: number(view["grpc_code"]), message: view["message"]?.string,
            error: view["error"]?.string)
    }
}

extension JSONView {
    /// What a string holds in base64.
    fileprivate var decodedBytes: [UInt8]? { withText { Base64.decode($0) } ?? nil }
}
