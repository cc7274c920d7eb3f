internal import ServiceSource
internal import ServiceModel
internal import NetAddress
internal import Agent
internal import AgentHTTP
internal import Dataplane
internal import PrometheusText
internal import Synchronization

/// `/metrics`: what was counted, and what the kernel and the record say at this moment.
final class MetricsEndpoint: Sendable {
    /// How many may ask at once. Prometheus asks with one connection for each of its servers.
    static let mostAnswers = 8

    private let reporter: Reporter
    private let readKernel: @Sendable () throws -> [FrontendStatus]
    /// One at a time reads the kernel, and what it read serves all who ask within a second.
    private let counters = Mutex<(samples: [MetricSample], readAt: ContinuousClock.Instant)?>(nil)

    /// - Parameter readKernel: reads what the kernel counts, on a thread that may block.
    init(reporter: Reporter, readKernel: @escaping @Sendable () throws -> [FrontendStatus]) {
        self.reporter = reporter
        self.readKernel = readKernel
    }

    func answer(_ request: HTTPRequest) async -> HTTPReply {
        guard request.path == "/metrics" else { return .notFound }
        let text = try? await onOwnThread { [self] in
            reporter.metrics.registry.text(with: record() + kernelCounters() + ProcessFacts.samples())
        }
        guard let text else { return HTTPReply(503, "no thread can be started\n") }
        return HTTPReply(200, bytes: text, contentType: "text/plain; version=0.0.4; charset=utf-8")
    }

    private func kernelCounters() -> [MetricSample] {
        counters.withLock { cached in
            if let cached, .now - cached.readAt < .seconds(1) { return cached.samples }
            let samples = ((try? readKernel()) ?? []).flatMap(Self.samples)
            cached = (samples, .now)
            return samples
        }
    }

    private static func samples(_ frontend: FrontendStatus) -> [MetricSample] {
        let labels: [(name: String, value: String)] = [
            ("service", frontend.service), ("kind", frontend.kind.rawValue),
            ("address", frontend.address.map { "\($0)" } ?? "\(frontend.family)"), ("port", String(frontend.port)),
            ("protocol", frontend.transport.kubernetesName),
        ]
        return [
            MetricSample("svcctl_service_connections_total", Double(frontend.connections), labels),
            MetricSample("svcctl_service_drops_total", Double(frontend.drops), labels),
        ]
    }

    private func record() -> [MetricSample] {
        reporter.read { record in
            let now = ContinuousClock.now
            var samples: [MetricSample] = []
            if let last = record.lastSuccessInstant {
                samples.append(MetricSample("svcctl_seconds_since_last_success", (now - last).inSeconds))
            }
            let pending = record.pendingSince.map { (now - $0).inSeconds } ?? 0
            samples.append(MetricSample("svcctl_change_pending_seconds", pending))
            let isAwaited = record.rejected != nil || record.awaited != nil
            samples.append(MetricSample("svcctl_configuration_pending", isAwaited ? 1 : 0))
            samples.append(MetricSample("svcctl_node_eligible", record.isNodeEligible ? 1 : 0))
            for (name, state) in record.news.states {
                for kind in ["loading", "current", "stale"] {
                    let labels: [(name: String, value: String)] = [("source", name), ("state", kind)]
                    samples.append(MetricSample("svcctl_source_state", state.name == kind ? 1 : 0, labels))
                }
                guard let problem = state.problem else { continue }
                let labels: [(name: String, value: String)] = [("source", name), ("problem", problem.kind.rawValue)]
                samples.append(MetricSample("svcctl_source_problem", 1, labels))
            }
            for name in record.wrongSysctls.keys.sorted() {
                samples.append(MetricSample("svcctl_sysctl_wrong", 1, [("sysctl", name)]))
            }
            for (port, check) in record.healthChecks.sorted(by: { $0.key < $1.key }) {
                let labels: [(name: String, value: String)] = [
                    ("service", check.service.description), ("port", String(port)),
                ]
                let count = Double(check.localEndpoints)
                samples.append(MetricSample("svcctl_health_check_local_endpoints", count, labels))
            }
            return samples
        }
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
