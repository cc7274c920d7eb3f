import Agent
import AgentRuntime
import Foundation
import PrometheusText
import ServiceModel
import ServicePlan
import Testing
import Yams

/// What stands in `deploy/` fits the program.
@Suite struct DeployTests {
    private static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("deploy")

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: directory.appendingPathComponent(path), encoding: .utf8)
    }

    private static func settings(_ text: String) throws -> AgentSettings {
        try AgentConfiguration(file: "agent.yaml", flags: [])
            .settings(DefinitionInput(name: "agent.yaml", bytes: Array(text.utf8)))
    }

    /// Every option stands in the file once, with words before it, and what is shown as a default is the default.
    @Test func configurationExplainsEveryOption() throws {
        let text = try Self.text("agent.yaml")
        let settings = try Self.settings(text)
        #expect(settings.sources == [.file("/etc/svcctl/services")])
        let options = text.split(separator: "\n").compactMap { line -> String? in
            let name = line.prefix { $0 != ":" }.drop { $0 == "#" }
            return line.contains(":") && name.allSatisfy { $0.isLetter } ? String(name) : nil
        }
        #expect(options.sorted() == AgentOption.allCases.map(\.rawValue).sorted())
        // Everything at once is right too.
        let all = text.replacing(/(?m)^#(?=[a-z]\w*:)/, with: "")
        let everything = try Self.settings(all)
        let defaults = AgentSettings()
        #expect(everything.schedule == defaults.schedule && everything.socket == defaults.socket)
        #expect(everything.metricsAddress == defaults.metricsAddress)
        #expect(everything.healthAddress == defaults.healthAddress)
        #expect(everything.backend == defaults.backend && everything.logLevel == defaults.logLevel)
        #expect(everything.masqueradeBit == defaults.masqueradeBit)
        #expect(everything.protects == defaults.protects && everything.setsSysctls == defaults.setsSysctls)
        #expect(everything.cleansUpOnExit == defaults.cleansUpOnExit)
        #expect(everything.node.clusterCIDRs.count == 2 && everything.etcd.user == "svcctl")
    }

    /// Every metric that the dashboard and the alerts name is one that the agent has.
    @Test(arguments: ["grafana/dashboard.json", "prometheus/alerts.yaml"]) func metricsExist(_ path: String) throws {
        let known = Set(
            MetricCatalog.all.flatMap { metric -> [String] in
                metric.kind == .histogram
                    ? ["_bucket", "_sum", "_count"].map { metric.name + $0 } : [metric.name]
            })
        let names = try Self.text(path).matches(of: /\b(svcctl|kubeproxy|process)_[a-z_]+/).map { String($0.output.0) }
        #expect(names.count > 10)
        for name in Set(names) { #expect(known.contains(name), "\(name) in \(path)") }
        // And the other way round: what nobody looks at is not needed.
        if path.hasPrefix("grafana") {
            let shown = Set(names)
            let aside: Set = [
                "process_open_fds", "process_start_time_seconds", "svcctl_health_check_local_endpoints",
                "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
                "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
            ]
            for metric in MetricCatalog.all where !aside.contains(metric.name) {
                #expect(shown.contains { $0.hasPrefix(metric.name) }, "\(metric.name)")
            }
        }
    }

    @Test func documentsParse() throws {
        let dashboard = try JSONSerialization.jsonObject(with: Data(Self.text("grafana/dashboard.json").utf8))
        #expect((dashboard as? [String: Any])?["panels"] is [[String: Any]])
        let alerts = try #require(try Yams.load(yaml: Self.text("prometheus/alerts.yaml")) as? [String: Any])
        let groups = try #require(alerts["groups"] as? [[String: Any]])
        let rules = groups.flatMap { $0["rules"] as? [[String: Any]] ?? [] }
        #expect(rules.count > 5)
        // A source that does not answer stops everything at the start.
        for state in ["loading", "stale"] {
            #expect(rules.contains { ($0["expr"] as? String)?.contains(#"state="\#(state)""#) == true })
        }
        for rule in rules { #expect(rule["alert"] is String && rule["expr"] is String && rule["annotations"] != nil) }
    }

    /// The agent in the manifest starts with options that there are, and the least privilege.
    @Test func manifest() throws {
        let documents = try Array(Yams.load_all(yaml: Self.text("kubernetes/daemonset.yaml"))).map {
            $0 as? [String: Any]
        }
        let map = try #require(documents.first { $0?["kind"] as? String == "ConfigMap" } ?? nil)
        let data = try #require(map["data"] as? [String: String])
        #expect(try !Self.settings(#require(data["agent.yaml"])).sources.isEmpty)
        let set = try #require(documents.first { $0?["kind"] as? String == "DaemonSet" } ?? nil)
        let template = try #require((set["spec"] as? [String: Any])?["template"] as? [String: Any])
        let pod = try #require(template["spec"] as? [String: Any])
        #expect(pod["hostNetwork"] as? Bool == true)
        let container = try #require((pod["containers"] as? [[String: Any]])?.first)
        let flags = (container["args"] as? [String] ?? []).filter { $0.hasPrefix("--") }
        let known = ["--config"] + AgentOption.allCases.map(\.flag)
        #expect(!flags.isEmpty && flags.allSatisfy { known.contains($0) })
        // No limit, which would kill the agent of a large cluster.
        #expect(Set((container["resources"] as? [String: Any] ?? [:]).keys) == ["requests"])
        let security = try #require(container["securityContext"] as? [String: Any])
        let capabilities = try #require(security["capabilities"] as? [String: [String]])
        #expect(capabilities == ["drop": ["ALL"], "add": ["NET_ADMIN"]])
    }
}
