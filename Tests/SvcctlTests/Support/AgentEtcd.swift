import DataplaneTestKit
import EtcdTestKit
import Testing

/// An agent and its etcd, both in one namespace. Services are named by the last part of their name, and have the
/// addresses 10.96.0.N.
struct AgentEtcd {
    let etcd: EtcdServer
    let agent: AgentProcess
    var namespace: NetworkNamespace { agent.namespace }
    var source: String { Self.source(etcd) }

    static func source(_ etcd: EtcdServer) -> String { "etcd:\(etcd.url)/svcctl" }

    /// An agent that is ready, with the services `a` and `b`.
    static func ready(in namespace: NetworkNamespace) async throws -> AgentEtcd {
        let etcd = try EtcdServer(in: namespace)
        try await etcd.start()
        try await etcd.put(service: "a", 1, endpoints("10.244.1.2"))
        try await etcd.put(service: "b", 2, endpoints("10.244.1.2"))
        let agent = try await AgentProcess.ready(in: namespace, Files(), ["--source", source(etcd)])
        return AgentEtcd(etcd: etcd, agent: agent)
    }

    /// Members of a service's object.
    static func endpoints(_ addresses: String...) -> String {
        let list = addresses.map { #"{"address": "\#($0)"}"# }.joined(separator: ", ")
        return #", "endpoints": [\#(list)]"#
    }

    /// What the kernel has of a service: `10.244.1.2:80 10.244.1.3:80`; nil if it has nothing.
    func kernel(_ service: String) throws -> String? {
        let frontends = try StatusReport(of: namespace).frontends.filter { $0.service == "shop/\(service):http" }
        return frontends.first?.endpoints.map { "\($0.address):\($0.port)" }.sorted().joined(separator: " ")
    }

    func status() throws -> String {
        try namespace.svcctl("status", "--socket", agent.files["agent.sock"]).output
    }

    /// 1 while the source has a problem of a kind.
    func problem(_ kind: String) throws -> Double? {
        try agent.metric(#"svcctl_source_problem{source="\#(source)",problem="\#(kind)"}"#)
    }

    func errors() throws -> Double? { try agent.metric(#"svcctl_source_findings{severity="error"}"#) }

    /// The problem of the source stands in metric, log and status.
    func expectProblem(_ kind: String, _ message: String) async throws {
        #expect(try await agent.until { try problem(kind) == 1 }, "\(kind)")
        #expect(try await agent.until { try agent.log().contains(message) && status().contains(message) }, "\(message)")
    }
}
