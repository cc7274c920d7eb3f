import EtcdSource
import EtcdTestKit
import Foundation
import ServiceModel
import ServiceSource
import Testing

/// Certificates, users and passwords.
@Suite(.timeLimit(.minutes(5)), .enabled(if: EtcdServer.canRun))
struct SecurityTests {
    @Test func certificates() async throws {
        let certificates = try TestCertificates()
        for name in ["server", "client"] { try certificates.issue(name) }
        let etcd = try EtcdServer(scheme: "https")
        etcd.secure(certificates, withClients: true)
        try await etcd.start()
        let credentials = EtcdCredentials(
            authorityFile: certificates.authority, certificateFile: certificates["client.crt"],
            keyFile: certificates["client.key"])
        try await etcd.write([.put("/svcctl/services/shop/a", serviceObject("a", 1))], credentials)
        var listener = Listener(try etcd.source(credentials))
        try await listener.wait(for: ["a": 1])
        try await etcd.write([.put("/svcctl/services/shop/a", serviceObject("a", 2))], credentials)
        try await listener.wait(for: ["a": 2])
        // Without our own certificate etcd does not talk to us.
        var stranger = Listener(try etcd.source(EtcdCredentials(authorityFile: certificates.authority)))
        try await stranger.wait { $0.problem != nil }
        #expect(stranger.problem?.kind == .notPermitted)
        #expect(stranger.problem?.message == "\(etcd.url): it wants another certificate of ours")
    }

    /// A certificate of etcd's that is not good, until it is renewed.
    @Test(arguments: ["expired", "untrusted"]) func badCertificate(kind: String) async throws {
        let (certificates, others) = (try TestCertificates(), try TestCertificates())
        try certificates.issue("server", days: kind == "expired" ? -1 : 10)
        let etcd = try EtcdServer(scheme: "https")
        etcd.secure(certificates)
        try await etcd.start()
        let authority = certificates["trusted.crt"]
        try FileManager.default.copyItem(
            atPath: kind == "expired" ? certificates.authority : others.authority, toPath: authority)
        var listener = Listener(try etcd.source(EtcdCredentials(authorityFile: authority)))
        try await listener.wait { $0.problem != nil }
        #expect(listener.problem?.kind == .notPermitted)
        let message = "its certificate has expired, or is not signed by an authority that is trusted here"
        #expect(listener.problem?.message == "\(etcd.url): \(message)")
        #expect(!listener.last.isComplete)
        // Both files are read anew.
        etcd.stop()
        try certificates.issue("server")
        try await etcd.start()
        try FileManager.default.removeItem(atPath: authority)
        try FileManager.default.copyItem(atPath: certificates.authority, toPath: authority)
        try await etcd.write(
            [.put("/svcctl/services/shop/a", serviceObject("a", 1))], EtcdCredentials(authorityFile: authority))
        try await listener.wait(for: ["a": 1])
    }

    /// A certificate for another host, a plain etcd, and files that are not there.
    @Test func otherMistakes() async throws {
        let certificates = try TestCertificates()
        try certificates.issue("other", address: "127.0.0.2")
        let (plain, other) = (try EtcdServer(), try EtcdServer(scheme: "https"))
        other.secure(certificates, "other")
        for etcd in [plain, other] { try await etcd.start() }
        let url = plain.url.replacing("http:", with: "https:")
        for (url, credentials, message) in [
            (
                url, EtcdCredentials(authorityFile: certificates.authority),
                "it ends the connection instead of speaking TLS"
            ),
            (
                other.url, EtcdCredentials(authorityFile: certificates.authority),
                "its certificate is one of another host"
            ),
            (url, EtcdCredentials(authorityFile: "/nowhere"), "/nowhere: No such file or directory"),
            (url, EtcdCredentials(authorityFile: certificates["ca.key"]), "there is no certificate in PEM"),
            (
                url,
                EtcdCredentials(certificateFile: certificates.authority, keyFile: certificates.authority),
                "there is no private key in PEM"
            ),
            (plain.url, EtcdCredentials(user: "x", passwordFile: "/nowhere"), "/nowhere: No such file or directory"),
        ] {
            var listener = Listener(
                EtcdSource(try EtcdLocation(url), credentials: credentials, timing: EtcdServer.quick))
            // What ends first, the handshake or the connection, is not always the same.
            try await listener.wait { $0.problem?.message.contains(message) == true }
        }
    }

    // MARK: - Users

    /// A password that is wrong at first, with rights for our prefix alone; and none of it for an etcd that asks nobody.
    @Test func passwords() async throws {
        let certificates = try TestCertificates()
        let etcd = try EtcdServer()
        try await etcd.start()
        try await etcd.put(service: "a", 1)
        let file = certificates["password"]
        try Data("wrong\n".utf8).write(to: URL(fileURLWithPath: file))
        let credentials = EtcdCredentials(user: "agent", passwordFile: file)
        var early = Listener(try etcd.source(credentials))
        try await early.wait(for: ["a": 1])
        try await etcd.with { try await $0.enableUsers() }
        // Whoever is nobody is turned away when the revision is asked for.
        try await early.wait { $0.problem?.kind == .notPermitted }
        #expect(early.numbers == ["a": 1])
        var listener = Listener(try etcd.source(credentials))
        try await listener.wait { $0.problem != nil }
        #expect(listener.problem?.kind == .notPermitted)
        #expect(listener.problem?.message.contains("invalid user ID or password") == true)
        try Data("secret\n".utf8).write(to: URL(fileURLWithPath: file))
        try await listener.wait(for: ["a": 1])
        try await early.wait(for: ["a": 1])
        // A prefix that the user has no right to.
        let other = try EtcdLocation(etcd.url + "/other")
        var stranger = Listener(EtcdSource(other, credentials: credentials, timing: EtcdServer.quick))
        try await stranger.wait { $0.problem?.kind == .notPermitted }
        #expect(stranger.problem?.message.contains("permission denied") == true)
    }

    /// Tokens end after two seconds; nothing is noticed of it.
    @Test(arguments: ["simple", "jwt"]) func tokenRenewal(kind: String) async throws {
        let certificates = try TestCertificates()
        try certificates.issue("token")
        let etcd = try EtcdServer()
        if kind == "jwt" {
            let keys = "pub-key=\(certificates["token.pub"]),priv-key=\(certificates["token.key"])"
            try certificates.writePublicKey("token")
            etcd.options = ["--auth-token", "jwt,\(keys),sign-method=ES256,ttl=2s"]
        } else {
            etcd.options = ["--auth-token-ttl", "2"]
        }
        try await etcd.start()
        try await etcd.put(service: "a", 0)
        try await etcd.with { try await $0.enableUsers() }
        let file = certificates["password"]
        try Data("secret".utf8).write(to: URL(fileURLWithPath: file))
        let credentials = EtcdCredentials(user: "agent", passwordFile: file)
        var timing = EtcdServer.quick
        timing.silence = .milliseconds(kind == "jwt" ? 300 : 3000)
        var listener = Listener(EtcdSource(try etcd.location, credentials: credentials, timing: timing))
        try await listener.wait(for: ["a": 0])
        try await etcd.with(credentials) { connection in
            for number in 1...2 {
                try await Task.sleep(for: .milliseconds(2300))
                try await connection.write([.put("/svcctl/services/shop/a", serviceObject("a", number))])
                try await listener.wait(for: ["a": number])
            }
        }
        #expect(listener.updates.compactMap { $0.state.problem?.message } == [])
    }
}
