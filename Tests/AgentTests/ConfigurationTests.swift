import Agent
import NetAddress
import ServiceModel
import ServicePlan
import Testing

@Suite struct ConfigurationTests {
    private static func settings(
        _ text: String?, _ flags: [(option: AgentOption, values: [String])] = []
    ) throws -> AgentSettings {
        let configuration = AgentConfiguration(file: text == nil ? nil : "agent.yaml", flags: flags)
        return try configuration.settings(text.map { DefinitionInput(name: "agent.yaml", bytes: Array($0.utf8)) })
    }

    private static func findings(_ text: String?, _ flags: [(option: AgentOption, values: [String])] = []) -> [String] {
        do {
            _ = try settings(text, flags)
            return []
        } catch let error as InvalidDefinitions {
            return error.findings.map(\.description)
        } catch {
            return ["\(error)"]
        }
    }

    @Test func fileAndFlags() throws {
        let text = """
            source: [file:/etc/svcctl, "etcd:https://10.0.0.1:2379,10.0.0.2:2379/svcctl"]
            minSyncPeriod: 50ms
            resyncPeriod: 1h30m
            protect: true
            clusterCidr: [10.244.0.0/16, "fd00:244::/32"]
            nodeportAddresses: 192.0.2.0/24,198.51.100.0/24
            metricsAddress: "[::1]:9000"
            """
        var settings = try Self.settings(text)
        #expect(
            settings.sources.map(\.description) == [
                "file:/etc/svcctl", "etcd:https://10.0.0.1:2379,10.0.0.2:2379/svcctl",
            ])
        #expect(settings.schedule.minSyncPeriod == .milliseconds(50))
        #expect(settings.schedule.resyncPeriod == .seconds(5400))
        #expect(settings.protects && !settings.setsSysctls)
        #expect(settings.node.clusterCIDRs.count == 2 && settings.node.nodePortAddresses?.count == 2)
        #expect(settings.metricsAddress.description == "[::1]:9000")
        #expect(settings.healthAddress.description == "0.0.0.0:10256")
        // A flag beats the file.
        settings = try Self.settings(text, [(.protect, ["false"]), (.source, ["file:/a"]), (.minSyncPeriod, ["1s"])])
        #expect(!settings.protects && settings.sources == [.file("/a")])
        #expect(settings.schedule.minSyncPeriod == .seconds(1))
        #expect(try Self.settings("# nothing\n", [(.source, ["file:/a"])]).sources == [.file("/a")])
    }

    @Test func everythingWrongAtOnce() {
        let text = """
            source: http://here
            minSyncPerod: 10ms
            masqueradeBit: [1, 2]
            protect: maybe
            zone: {a: b}
            """
        let findings = Self.findings(text, [(.healthAddress, ["nowhere"])])
        #expect(findings.contains { $0.hasPrefix("agent.yaml:1:9: error: source: expected file:PATH or etcd:") })
        #expect(
            findings.contains(
                #"agent.yaml:2:1: error: minSyncPerod: unknown option "minSyncPerod"; did you mean "minSyncPeriod"?"#))
        #expect(findings.contains("agent.yaml:3:16: error: masqueradeBit: expected one value, found a list"))
        #expect(findings.contains { $0.hasPrefix("agent.yaml:4:10: error: protect: expected true or false") })
        #expect(findings.contains { $0.hasPrefix("agent.yaml:5:7: error: zone: expected a text") })
        #expect(Self.findings("zone: a\nzone: b\n").contains { $0.contains("stands twice") })
        #expect(findings.contains { $0.hasPrefix("--health-address: error: expected an address and a port") })
    }

    @Test func whatDoesNotGoTogether() {
        #expect(
            Self.findings(nil) == [
                "svcctl agent: error: no source: name at least one, such as source: file:/etc/svcctl/services"
            ])
        #expect(Self.findings("source: [file:/a, file:/a]").contains { $0.contains("named twice") })
        #expect(Self.findings("source: file:/a\netcdUser: root").contains { $0.contains("go together") })
    }

    @Test(arguments: [
        ("0", Duration.zero), ("10ms", .milliseconds(10)), ("1.5s", .milliseconds(1500)), ("1h30m", .seconds(5400)),
        ("2h", .seconds(7200)), ("500us", .microseconds(500)), ("500µs", .microseconds(500)), ("1m 30s", .seconds(90)),
        ("7ns", .nanoseconds(7)), ("5min", .seconds(300)), ("1d", .seconds(86400)), ("2w", .seconds(1_209_600)),
        ("1hour 30sec", .seconds(3630)), ("20msec", .milliseconds(20)),
    ])
    func durations(_ text: String, _ duration: Duration) {
        #expect(DurationText.parse(text) == duration)
        #expect(DurationText.parse(DurationText.format(duration)) == duration)
    }

    @Test(arguments: [
        "", "10", "ms", "-1s", "1x", "1.2.3s", "1s2", "99999999999999999999h", "9999999999999h", "1.s", "１s",
    ])
    func noDurations(_ text: String) { #expect(DurationText.parse(text) == nil) }

    @Test func flagsHaveTheSameNames() {
        #expect(AgentOption.minSyncPeriod.flag == "--min-sync-period")
        #expect(AgentOption.etcdCa.flag == "--etcd-ca")
        #expect(Set(AgentOption.allCases.map(\.flag)).count == AgentOption.allCases.count)
    }
}
