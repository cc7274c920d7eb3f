internal import DataplaneTestKit
internal import Foundation

/// A certificate authority of a test's own, and what it signs, in a directory that goes with the object.
package final class TestCertificates {
    package let directory: String

    package init() throws {
        directory = NSTemporaryDirectory() + "/svcctl-tls-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try openssl(
            ["req", "-x509", "-nodes", "-keyout", self["ca.key"], "-out", authority, "-days", "10", "-subj", "/CN=ca"]
                + Self.newKey)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    package subscript(name: String) -> String { "\(directory)/\(name)" }

    package var authority: String { self["ca.crt"] }

    /// Makes `NAME.crt` and `NAME.key`, for servers and clients.
    ///
    /// - Parameter days: how long it is good; negative for one that has expired.
    package func issue(_ name: String, address: String = "127.0.0.1", days: Int = 10) throws {
        try Data("subjectAltName=IP:\(address)\nextendedKeyUsage=serverAuth,clientAuth\n".utf8)
            .write(to: URL(fileURLWithPath: self["extensions"]))
        try openssl(
            ["req", "-nodes", "-keyout", self["\(name).key"], "-out", self["\(name).csr"], "-subj", "/CN=\(name)"]
                + Self.newKey)
        try openssl([
            "x509", "-req", "-in", self["\(name).csr"], "-CA", authority, "-CAkey", self["ca.key"],
            "-CAcreateserial", "-days", "\(days)", "-extfile", self["extensions"], "-out", self["\(name).crt"],
        ])
    }

    /// Makes `NAME.pub` of `NAME.key`.
    package func writePublicKey(_ name: String) throws {
        try openssl(["pkey", "-in", self["\(name).key"], "-pubout", "-out", self["\(name).pub"]])
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]

    private func openssl(_ arguments: [String]) throws {
        let result = try hostProgram(["openssl"] + arguments)
        guard result.status == 0 else { throw ProgramFailure(command: ["openssl"] + arguments, result: result) }
    }
}

extension EtcdServer {
    /// Makes it speak TLS with a certificate, and, if wanted, only to clients that have one too.
    package func secure(_ certificates: TestCertificates, _ name: String = "server", withClients: Bool = false) {
        options += ["--cert-file", certificates["\(name).crt"], "--key-file", certificates["\(name).key"]]
        if withClients { options += ["--client-cert-auth", "--trusted-ca-file", certificates.authority] }
    }
}
