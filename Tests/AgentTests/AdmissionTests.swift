import Agent
import NetAddress
import ServiceModel
import ServicePlan
import ServiceSource
import Testing

@Suite struct AdmissionTests {
    private static func service(_ number: Int, _ change: (inout Service) -> Void = { _ in }) -> Service {
        ReconcileEngineTests.service(number, change)
    }

    /// What cannot be served keeps its last good state, and so do not the others.
    @Test func holdsBackWhatCannotBeServed() {
        var admission = Admission { service, _ in service.scheduler == .random ? nil : "not possible" }
        let (good, other) = (Self.service(1), Self.service(2))
        let bad = Self.service(1) { $0.scheduler = .maglev }
        var admitted = admission.admit([good.name: good], on: NodeFacts())
        #expect(admitted.keys.sorted() == [good.name])
        admitted = admission.admit([bad.name: bad, other.name: other], on: NodeFacts())
        #expect(admitted.keys.sorted() == [other.name])
        #expect(admission.reasons == [bad.name: "not possible"])
        admitted = admission.admit([bad.name: nil], on: NodeFacts())
        #expect(admitted == [bad.name: nil])
        #expect(admission.reasons.isEmpty)
    }

    /// What stood in the way may go.
    @Test func letsInWhatFitsTheNodeNow() {
        var admission = Admission { service, node in
            node.addresses?.isDisjoint(with: service.clusterIPs) == false ? "the node's own" : nil
        }
        let service = Self.service(1)
        var node = NodeFacts()
        node.addresses = Set(service.clusterIPs)
        var admitted = admission.admit([service.name: service], on: node)
        #expect(admitted.isEmpty)
        admitted = admission.readmit([], on: node)
        #expect(admitted.isEmpty)
        node.addresses = []
        admitted = admission.readmit([], on: node)
        #expect(admitted == [service.name: service])
        #expect(admission.reasons.isEmpty)
        admitted = admission.readmit([], on: node)
        #expect(admitted.isEmpty)
    }

    /// A service that is served is left out when the node gets what it cannot be served beside, in its newest form it comes
    /// back.
    @Test func leavesOutWhatDoesNotFitTheNodeAnyMore() {
        var admission = Admission { service, node in
            if service.scheduler == .maglev { return "no maglev" }
            return node.addresses?.isDisjoint(with: service.clusterIPs) == false ? "the node's own" : nil
        }
        let (service, other) = (Self.service(1), Self.service(2))
        let newer = Self.service(1) { $0.endpoints = [] }
        var node = NodeFacts()
        var changes = admission.admit([service.name: service, other.name: other], on: node)
        #expect(changes.count == 2)
        node.addresses = Set(service.clusterIPs)
        changes = admission.readmit([service, other], on: node)
        #expect(changes == [service.name: nil])
        let reason = "the node's own (none of it is served meanwhile)"
        #expect(admission.reasons == [service.name: reason])
        changes = admission.readmit([other], on: node)
        #expect(changes.isEmpty)
        changes = admission.admit([newer.name: newer], on: node)
        #expect(changes.isEmpty)
        #expect(admission.reasons == [service.name: reason])
        node.addresses = []
        changes = admission.readmit([other], on: node)
        #expect(changes == [newer.name: newer])
        #expect(admission.reasons.isEmpty)
        // What was served goes also if something newer waits.
        let unfit = Self.service(1) { $0.scheduler = .maglev }
        changes = admission.admit([unfit.name: unfit], on: node)
        #expect(changes.isEmpty && admission.reasons == [unfit.name: "no maglev"])
        node.addresses = Set(service.clusterIPs)
        changes = admission.readmit([newer, other], on: node)
        #expect(changes == [service.name: nil])
        #expect(admission.heldBack == [unfit])
    }

    /// Semantics 8 for health-check node ports: the older service has the port, whatever the names, and a finding names
    /// both for as long as they dispute it.
    @Test func olderServiceHasTheHealthCheckPort() {
        var checks = HealthChecks(nodeName: nil)
        func service(_ number: Int, created: String?) -> Service {
            Self.service(number) { service in
                service.healthCheckNodePort = 32000
                service.externalTrafficPolicy = .local
                service.creationTimestamp = created
            }
        }
        let (young, old) = (service(1, created: "2026-02-01T00:00:00Z"), service(2, created: "2026-01-01T00:00:00Z"))
        _ = checks.update([young.name: young])
        #expect(checks.findings(now: Timestamp(milliseconds: 1)).isEmpty)
        _ = checks.update([old.name: old])
        #expect(checks.checks[32000]?.service == old.name)
        let findings = checks.findings(now: Timestamp(milliseconds: 2))
        #expect(findings.map(\.document) == ["service \(young.name)"])
        #expect(findings.first?.message.contains("32000 belongs to \(old.name)") == true)
        #expect(checks.findings(now: Timestamp(milliseconds: 3)) == findings, "it stands since then")
        _ = checks.update([old.name: nil])
        #expect(checks.checks[32000]?.service == young.name)
        #expect(checks.findings(now: Timestamp(milliseconds: 4)).isEmpty)
    }

    @Test func countsLocalEndpoints() {
        var checks = HealthChecks(nodeName: "node-a")
        func service(_ number: Int, _ nodes: [String], port: UInt16? = 32000) -> Service {
            Self.service(number) { service in
                service.healthCheckNodePort = port
                service.externalTrafficPolicy = .local
                service.endpoints = nodes.enumerated().map { index, node in
                    var endpoint = Endpoint(address: IPAddress(ipv4: 0x0af4_0100 + UInt32(index)))
                    endpoint.nodeName = node
                    return endpoint
                }
            }
        }
        let first = service(1, ["node-a", "node-b", "node-a"])
        var changed = checks.update([first.name: first])
        #expect(changed)
        #expect(checks.checks[32000]?.localEndpoints == 2)
        changed = checks.update([first.name: first])
        #expect(!changed, "nothing new")
        // Two services cannot have one port; the next has it when the first lets go.
        let second = service(2, ["node-b"])
        changed = checks.update([second.name: second])
        #expect(changed)
        #expect(checks.checks[32000]?.service == first.name)
        changed = checks.update([first.name: nil])
        #expect(changed)
        #expect(checks.checks[32000]?.service == second.name)
        #expect(checks.checks[32000]?.localEndpoints == 0)
        let without = service(2, ["node-a"], port: nil)
        changed = checks.update([second.name: without])
        #expect(changed)
        #expect(checks.checks.isEmpty)
    }
}
