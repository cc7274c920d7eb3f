internal import AgentHTTP
internal import Glibc
internal import NFTables
internal import ServiceSource

/// What `svcctl status` and `svcctl events` ask over the unix socket. Each answer comes as text for people, or as JSON.
struct ControlEndpoint: Sendable {
    let reporter: Reporter

    func answer(_ request: HTTPRequest) -> HTTPReply {
        let isText = request.query["format"] == "text"
        switch request.path {
        case "/status":
            return isText
                ? HTTPReply(200, reporter.read(\.statusText)) : HTTPReply(200, json: reporter.read(\.statusJSON))
        case "/events":
            let after = request.query["after"].flatMap { Int($0) } ?? 0
            let events = reporter.read { Array($0.events.after(after)) }
            let last = ["X-Last-Event": String(events.last?.number ?? after)]
            guard isText else { return HTTPReply(200, json: .array(events.map(\.json)), headers: last) }
            return HTTPReply(
                200, events.map { "\($0.time) \($0.kind.rawValue): \($0.message)\n" }.joined(), headers: last)
        default: return .notFound
        }
    }
}

extension EventLog.Event {
    fileprivate var json: JSON {
        [
            "number": .number(number), "time": .string(time.description), "kind": .string(kind.rawValue),
            "message": .string(message),
        ]
    }
}

extension SourceState {
    /// The value of a label.
    var name: String {
        switch self {
        case .loading: "loading"
        case .current: "current"
        case .stale: "stale"
        }
    }
}
