import Agent
import Dataplane
@testable import AgentRuntime
import NetAddress
import PrometheusText
import ServicePlan
import Testing

@Suite struct TellingTests {
    /// The last thousand are kept, and nobody sees one twice.
    @Test func events() {
        var log = EventLog()
        for number in 1...(3 * EventLog.limit) { log.add(.drift, "event \(number)") }
        let all = log.after(0)
        #expect(all.count == EventLog.limit)
        #expect(all.first?.message == "event \(2 * EventLog.limit + 1)")
        let last = all.last?.number ?? 0
        #expect(log.after(last).isEmpty)
        log.add(.ready, "one more")
        #expect(log.after(last).map(\.message) == ["one more"])
        // Who followed another agent's events, which was restarted, goes on with this one's.
        var young = EventLog()
        young.add(.started, "again")
        #expect(young.after(last).map(\.message) == ["again"] && young.after(.max).count == 1)
    }

    /// Semantics 49: a change that waits for long, or a loop that says nothing. What sources do is not the agent's health.
    @Test func health() {
        var record = AgentRecord(version: "0")
        let start = ContinuousClock.now
        record.lastBeat = start
        #expect(record.isHealthy(at: start + .seconds(59)))
        #expect(!record.isHealthy(at: start + .seconds(61)))
        #expect(record.isHealthy(at: start + .seconds(61), patience: AgentRecord.longPatience))
        record.lastBeat = start + .seconds(100)
        record.pendingSince = start + .seconds(30)
        #expect(record.isHealthy(at: start + .seconds(80)))
        #expect(!record.isHealthy(at: start + .seconds(100)))
        record.pendingSince = nil
        #expect(record.isHealthy(at: start + .seconds(100)))
    }

    /// Health-check node ports are served where node ports are.
    @Test(
        arguments: [
            ("192.0.2.10", nil, true), ("::ffff:192.0.2.10", nil, true), ("2001:db8::1", nil, true),
            ("127.0.0.1", nil, false), ("::ffff:127.1.2.3", nil, false), ("::1", nil, false), ("nothing", nil, false),
            ("192.0.2.10", "192.0.2.0/24", true), ("::ffff:198.51.100.1", "192.0.2.0/24", false),
            ("2001:db8::1", "192.0.2.0/24", false), ("127.0.0.1", "0.0.0.0/0", false), ("::1", "::/0", false),
        ] as [(String, String?, Bool)])
    func nodePortAddresses(_ address: String, _ block: String?, _ isServed: Bool) {
        #expect(HealthCheckPorts.serves(address, block.map { [CIDR($0)].compactMap { $0 } }) == isServed)
    }

    /// Bridges need what others do not.
    @Test func kernelSettings() {
        var settings = AgentSettings()
        #expect(KernelSettings.needed(settings).map(\.name) == ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
        settings.node.podInterfaces = [.prefix("veth"), .bridge("cbr0")]
        let names = KernelSettings.needed(settings).map(\.name)
        #expect(names.suffix(2) == ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"])
        let missing = KernelSetting(name: "net.no.such.thing", value: "1", harm: "nothing works")
        let result = KernelSettings.check([missing], sets: true)
        #expect(result.set.isEmpty && result.wrong[missing.name]?.contains("is not there") == true)
    }

    /// Nothing is mended while a source is not complete, and every run of a program is another process.
    @Test func driftIsNotKeptWithoutEnd() throws {
        var record = AgentRecord(version: "0")
        let metrics = AgentMetrics(version: "0")
        for number in 1...10_000 {
            let change = ForeignChange(processName: "nft-\(number)", processID: UInt32(number))
            record.note([change, change])
            metrics.drift(by: change.processName)
        }
        #expect(record.drift.count == AgentRecord.mostDrift && Set(record.drift).count == record.drift.count)
        let lines = String(decoding: metrics.registry.text(), as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix("svcctl_drift_events_total{") }
        #expect(lines.count == 51)
        #expect(lines.contains { $0.contains("others") && $0.hasSuffix(" 9950") })
        record.driftIsMended()
        #expect(record.drift.isEmpty)
    }

    /// What a successor hears while nobody looks is one thing to look at.
    @Test func announcements() {
        let announcements = Announcements()
        #expect((1...1000).count { _ in announcements.add(1) } == 1)
        #expect(announcements.add(2))
        announcements.take(1)
        #expect(announcements.add(1) && !announcements.add(1) && !announcements.add(2))
    }
}
