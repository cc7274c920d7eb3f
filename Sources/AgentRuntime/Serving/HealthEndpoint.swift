internal import Agent
internal import AgentHTTP
internal import NFTables
internal import ServiceSource

/// `/healthz`, `/livez`, `/readyz`.
struct HealthEndpoint: Sendable {
    let reporter: Reporter

    func answer(_ request: HTTPRequest) -> HTTPReply {
        switch request.path {
        case "/healthz":
            let reply = health(asksForNode: true)
            reporter.metrics.answered("kubeproxy_proxy_healthz_total", reply.status)
            return reply
        case "/livez":
            let reply = health(patience: AgentRecord.longPatience)
            reporter.metrics.answered("kubeproxy_proxy_livez_total", reply.status)
            return reply
        case "/readyz": return readiness()
        default: return .notFound
        }
    }

    /// The body is kube-proxy's: load balancers' health checks read it.
    ///
    /// - Parameter asksForNode: whether a node that is being deleted counts (semantics 49). The agent must go on to work
    ///   there for as long as connections last, so probes of its life do not ask.
    private func health(patience: Duration = AgentRecord.patience, asksForNode: Bool = false) -> HTTPReply {
        let (isHealthy, isEligible, lastUpdated) = reporter.read {
            ($0.isHealthy(patience: patience), $0.isNodeEligible, $0.lastSuccess)
        }
        return HTTPReply(
            isHealthy && (isEligible || !asksForNode) ? 200 : 503,
            json: [
                "lastUpdated": lastUpdated.map { .string($0.description) } ?? nil,
                "currentTime": .string(Timestamp.now.description), "nodeEligible": .bool(isEligible),
            ])
    }

    private func readiness() -> HTTPReply {
        let (isReady, problem) = reporter.read {
            ($0.readySince != nil, $0.news.state.problem?.message ?? $0.lastError)
        }
        guard !isReady else { return HTTPReply(200, "ready\n") }
        return HTTPReply(503, "not ready: \(problem ?? "waiting for the first full state")\n")
    }
}
