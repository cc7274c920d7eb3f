import DataplaneTestKit
import EtcdSource
import EtcdTestKit
import Foundation
import Glibc
import Testing

/// put, get, delete and accept, with a real etcd.
@Suite(.enabled(if: EtcdServer.canRun), .timeLimit(.minutes(5)))
struct EtcdCommandTests {
    /// What get prints, put takes, and nothing changes by it.
    @Test func putAndGet() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let files = try Files(["web.json": Sample.web, "dns.yaml": Sample.dns])
        let put = try etcd.svcctl("put", files["web.json"], files["dns.yaml"])
        #expect(put == ProgramResult(status: 0, output: "wrote 2 services\n", errors: ""))
        let got = try etcd.svcctl("get", "-o", "json")
        #expect(got.status == 0)
        #expect(
            got.output == """
                {"services": [
                  {"name": "kube-system/dns", "clusterIPs": ["10.96.0.53"], "externalIPs": ["203.0.113.53"], \
                "ports": [{"name": "dns", "protocol": "UDP", "port": 53}, {"name": "dns-tcp", "port": 53}], \
                "endpoints": [{"address": "10.244.1.4", "weight": 3}]},
                  {"name": "shop/web", "clusterIPs": ["10.96.0.10", "fd00:96::10"], \
                "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}], \
                "endpoints": [{"address": "10.244.1.2"}, {"address": "10.244.1.3"}, {"address": "fd00:244:1::2"}]}
                ]}

                """)
        try files.write(got.output, to: "got.json")
        let again = try etcd.svcctl("put", "-o", "json", files["got.json"])
        #expect(again.output == #"{"written": ["kube-system/dns", "shop/web"], "nodes": []}"# + "\n")
        #expect(try etcd.svcctl("get", "-o", "json").output == got.output)
        try await etcd.put("endpoints/shop/web/x", #"{"address": "10.244.1.9"}"#)
        #expect(
            try etcd.svcctl("get", "shop/web").output == """
                SERVICE   ADDRESSES               PORTS         ENDPOINTS  REGISTERED
                shop/web  10.96.0.10,fd00:96::10  80:30080/TCP  3          1

                """)
    }

    /// Every field of the native form survives; what Kubernetes objects say is put into it.
    @Test(arguments: ["deploy/examples/services.yaml", "deploy/examples/kubernetes.yaml", "Tests/Data/cluster.json"])
    func everythingIsKept(path: String) async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
        let put = try etcd.svcctl("put", "\(root)/\(path)")
        #expect(put.status == 0, "\(put.errors)")
        let files = try Files(["got.json": try etcd.svcctl("get", "-o", "json").output])
        // Kubernetes' topology hints are for Kubernetes' own services alone; all else is programmed alike.
        let direct = try Svcctl.run("apply", "--dry-run", "\(root)/\(path)")
        let stored = try Svcctl.run("apply", "--dry-run", files["got.json"])
        #expect(stored.status == 0)
        #expect(stored.output == direct.output)
    }

    @Test func nothingIsWrittenWithAnError() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let twice = Sample.document(Sample.service("shop/other"))
        let files = try Files(["web.json": Sample.web, "twice.json": twice])
        let result = try etcd.svcctl("put", files["web.json"], files["twice.json"])
        #expect(result.status == 65)
        #expect(result.errors.hasPrefix("\(files["twice.json"]):1:"))
        #expect(result.errors.contains("is claimed by the service"))
        #expect(try etcd.svcctl("get").output == "SERVICE  ADDRESSES  PORTS  ENDPOINTS  REGISTERED\n")
        let endpoints = (0..<30000).map { #"{"address": "10.\#($0 / 65536).\#($0 / 256 % 256).\#($0 % 256)"}"# }
        let large = Sample.service("shop/large", #", "endpoints": [\#(endpoints.joined(separator: ","))]"#)
        try files.write(Sample.document(large), to: "large.json")
        let refused = try etcd.svcctl("put", files["large.json"])
        #expect(refused.status == 65)
        #expect(refused.errors.contains("service shop/large: error: "))
    }

    @Test func wrongValues() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        try await etcd.put("services/shop/b", "{")
        let result = try etcd.svcctl("get", "-o", "json")
        #expect(result.status == 65)
        #expect(result.output.contains("shop/a"))
        #expect(result.errors.hasPrefix("/svcctl/services/shop/b:1:2: error: "))
        let missing = try etcd.svcctl("get", "shop/a", "shop/c")
        #expect(missing.status == 66)
        #expect(missing.output.isEmpty)
        #expect(missing.errors == "svcctl: there is no service shop/c in etcd\n")
    }

    @Test func delete() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        for name in ["a", "b", "c"] { try await etcd.put(service: name, 1) }
        try await etcd.put("endpoints/shop/a/x", #"{"address": "10.244.1.9"}"#)
        let missing = try etcd.svcctl("delete", "shop/a", "shop/x")
        #expect(missing.status == 66)
        #expect(missing.errors == "svcctl: there is no service shop/x in etcd\n")
        #expect(try etcd.svcctl("delete", "shop/a", "--endpoints").output == "deleted 1 service\n")
        #expect(try await etcd.keys() == ["services/shop/b", "services/shop/c"])
        let last = try etcd.svcctl("delete", "shop/b", "shop/c")
        #expect(last.status == 64)
        #expect(last.errors.contains("--accept-empty"))
        let json = try etcd.svcctl("delete", "shop/b", "shop/c", "--accept-empty", "-o", "json")
        #expect(json.output == #"{"deleted": ["shop/b", "shop/c"]}"# + "\n")
        #expect(try await etcd.keys() == ["accept"])
        #expect(try etcd.svcctl("accept").status == 0)
        #expect(try etcd.svcctl("accept", "-o", "json").output == "{\"accepted\": true}\n")
    }

    /// Nodes are written beside services, printed as put takes them, and go when they are told to.
    @Test func nodes() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let nodes = """
            kind: List
            apiVersion: v1
            items:
            - {kind: Node, metadata: {name: c, deletionTimestamp: "2026-01-31T12:00:00Z", labels: {a: b}}, spec: {}}
            - kind: Node
              metadata: {name: a.example.com, labels: {topology.kubernetes.io/zone: z1}}
              status: {addresses: []}
            - {kind: Node, metadata: {name: b}, spec: {taints: [{key: ToBeDeletedByClusterAutoscaler, value: "1"}]}}
            """
        let files = try Files(["web.json": Sample.web, "nodes.yaml": nodes])
        #expect(
            try etcd.svcctl("put", files["web.json"], files["nodes.yaml"])
                == ProgramResult(status: 0, output: "wrote 1 service and 3 nodes\n", errors: ""))
        #expect(try await etcd.keys() == ["nodes/a.example.com", "nodes/b", "nodes/c", "services/shop/web"])
        #expect(
            try etcd.svcctl("get", "--nodes").output == """
                NODE           ZONE  DELETION
                a.example.com  z1    -
                b              -     it has the taint ToBeDeletedByClusterAutoscaler
                c              -     it has a deletion timestamp

                """)
        let got = try etcd.svcctl("get", "--nodes", "-o", "json").output
        try files.write(got, to: "got.json")
        let again = try etcd.svcctl("put", "-o", "json", files["got.json"])
        #expect(again.output == #"{"written": [], "nodes": ["a.example.com", "b", "c"]}"# + "\n")
        #expect(try etcd.svcctl("get", "--nodes", "-o", "json").output == got)
        #expect(got.contains(#""deletionTimestamp": "2026-01-31T12:00:00Z""#))
        #expect(try etcd.svcctl("get", "--nodes", "b", "b").output.split(separator: "\n").count == 2)

        for command in [["get", "--nodes", "b", "x"], ["delete", "--nodes", "b", "x"]] {
            let missing = try hostProgram([Svcctl.path()] + command + ["--etcd", etcd.url])
            #expect(missing == ProgramResult(status: 66, output: "", errors: "svcctl: there is no node x in etcd\n"))
        }
        try await etcd.put("nodes/d", #"{"kind": "Service"}"#)
        let wrong = try etcd.svcctl("get", "--nodes")
        #expect(wrong.status == 65 && wrong.output.contains("a.example.com"))
        #expect(wrong.errors.hasPrefix("/svcctl/nodes/d:1:10: error: kind: expected \"Node\""), "\(wrong.errors)")
        #expect(try etcd.svcctl("delete", "--nodes", "b", "d", "b").output == "deleted 2 nodes\n")
        #expect(try await etcd.keys() == ["nodes/a.example.com", "nodes/c", "services/shop/web"])
    }

    @Test func prefix() async throws {
        let etcd = try EtcdServer()
        try await etcd.start()
        let files = try Files(["web.json": Sample.web])
        let url = etcd.url + "/some/where"
        #expect(try Svcctl.run("put", files["web.json"], "--etcd", url).status == 0)
        #expect(try await etcd.keys(under: "/some/where/") == ["services/shop/web"])
        #expect(try Svcctl.run("get", "shop/web", "--etcd", url).status == 0)
    }

    @Test(arguments: [["put", "FILE"], ["get"], ["delete", "shop/a"], ["accept"]])
    func nobodyAnswers(command: [String]) throws {
        let files = try Files(["web.json": Sample.web])
        let command = command.map { $0 == "FILE" ? files["web.json"] : $0 }
        let port = try freePort()
        let result = try hostProgram([Svcctl.path()] + command + ["--etcd", "http://127.0.0.1:\(port)"])
        #expect(result.status == 69)
        #expect(result.output.isEmpty)
        #expect(result.errors.hasPrefix("svcctl: etcd: http://127.0.0.1:\(port): no connection: "))
        #expect(result.errors.contains("Connection refused"))
    }

    /// A certificate and a password that are right, and each of them wrong.
    @Test func access() async throws {
        let certificates = try TestCertificates()
        for name in ["server", "client"] { try certificates.issue(name) }
        let etcd = try EtcdServer(scheme: "https")
        etcd.secure(certificates)
        try await etcd.start()
        let files = try Files(["password": "secret\n", "wrong": "wrong"])
        let trust = ["--etcd-ca", certificates.authority]
        try await etcd.with(EtcdCredentials(authorityFile: certificates.authority)) { try await $0.enableUsers() }
        func get(_ options: [String]) throws -> ProgramResult {
            try hostProgram([Svcctl.path(), "get", "--etcd", etcd.url] + options)
        }
        let user = trust + ["--etcd-user", "agent", "--etcd-password-file"]
        #expect(try get(user + [files["password"]]).status == 0)
        let certificate = ["--etcd-cert", certificates["client.crt"], "--etcd-key", certificates["client.key"]]
        #expect(try get(user + [files["password"]] + certificate).status == 0)
        for (options, status, message) in [
            (user + [files["wrong"]], 77, "authentication failed, invalid user ID or password"),
            (user + [files["none"]], 66, "No such file or directory"), (trust, 77, "user name is empty"),
            ([], 77, "its certificate has expired, or is not signed by an authority that is trusted here"),
            (["--etcd-ca", files["password"]], 66, "there is no certificate in PEM"),
        ] {
            let result = try get(options)
            #expect(result.status == status)
            #expect(result.errors.hasPrefix("svcctl: etcd: ") && result.errors.contains(message), "\(result.errors)")
        }
    }

    @Test(arguments: [
        (["put"], "FILE"), (["delete"], "namespace/name"), (["get", "shop/a/b"], "shop/a/b"),
        (["get", "--nodes", "Node A"], "Node A"), (["delete", "--nodes"], "node"),
        (["delete", "--nodes", "a", "--endpoints"], "--endpoints"),
        (["get", "--etcd", "127.0.0.1:2379"], "expected http:// or https:// and HOST:PORT"),
        (["get", "--etcd-user", "x"], "password"),
        (["get", "--etcd-cert", "x"], "key"), (["register", "shop/a"], "address"), (["register", "shop/a", "x"], "x"),
        (["register", "shop/a", "10.0.0.1", "--port", "http"], "http"),
        (["register", "shop/a", "10.0.0.1", "--ttl", "1s"], "--ttl"),
    ])
    func usageErrors(arguments: [String], named: String) throws {
        let result = try hostProgram([Svcctl.path()] + arguments)
        #expect(result.status == 64)
        #expect(result.errors.contains(named))
    }
}

extension EtcdServer {
    /// Runs svcctl with this etcd.
    func svcctl(_ arguments: String...) throws -> ProgramResult {
        try hostProgram([Svcctl.path()] + arguments + ["--etcd", url], timeout: .seconds(20))
    }

    /// All keys under a prefix, without it.
    func keys(under prefix: String = "/svcctl/") async throws -> [String] {
        try await with { try await $0.keys(prefix: prefix).map { String($0.dropFirst(prefix.count)) } }
    }
}
