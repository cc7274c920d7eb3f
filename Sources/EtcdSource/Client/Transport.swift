internal import AsyncHTTPClient
internal import FoundationEssentials
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

extension EtcdCredentials {
    /// The largest file that is read for a password, and for certificates.
    private static let largestFile = 1 << 20

    func tlsConfiguration() throws(EtcdError) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let path = authorityFile {
            configuration.trustRoots = .certificates(try Self.certificates(in: path))
        }
        if let certificateFile, let keyFile {
            configuration.certificateChain = try Self.certificates(in: certificateFile).map { .certificate($0) }
            let bytes = try Self.bytes(of: keyFile)
            do {
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: bytes, format: .pem))
            } catch {
                throw EtcdError(.unreadable, "\(keyFile): there is no private key in PEM")
            }
        }
        return configuration
    }

    func password() throws(EtcdError) -> String {
        guard let passwordFile else { return "" }
        var text = String(decoding: try Self.bytes(of: passwordFile), as: UTF8.self)
        if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
        return text
    }

    private static func certificates(in path: String) throws(EtcdError) -> [NIOSSLCertificate] {
        let bytes = try bytes(of: path)
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw EtcdError(.unreadable, "\(path): there is no certificate in PEM")
        }
        return certificates
    }

    private static func bytes(of path: String) throws(EtcdError) -> [UInt8] {
        guard let handle = fopen(path, "re") else {
            throw EtcdError(.unreadable, "\(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(handle) }
        let bytes = [UInt8](unsafeUninitializedCapacity: largestFile) { buffer, count in
            count = fread(buffer.baseAddress, 1, largestFile, handle)
        }
        guard ferror(handle) == 0, feof(handle) != 0 else {
            throw EtcdError(.unreadable, "\(path): it cannot be read, or is too large")
        }
        return bytes
    }
}

extension TimeAmount {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension EtcdError {
    /// What is behind an error of the HTTP client.
    init(transport error: any Error, member: String) {
        switch error {
        case let error as EtcdError: self = error
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first {
                self.init(transport: first.error, member: member)
            } else {
                self.init(.unreachable, "\(member): no connection: the name is not known")
            }
        case let error as IOError:
            self.init(.unreachable, "\(member): no connection: \(String(cString: strerror(error.errnoCode)))")
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            self.init(.notPermitted, "\(member): \(Self.tlsReason("\(error)"))")
        case let error as HTTPClientError: self.init(.unreachable, "\(member): \(error.shortDescription)")
        default: self.init(.unreachable, "\(member): \(error)")
        }
    }

    /// BoringSSL tells no more than a name of its own, in the middle of a text.
    private static func tlsReason(_ description: String) -> String {
        if description.contains("CERTIFICATE_VERIFY_FAILED") {
            return "its certificate has expired, or is not signed by an authority that is trusted here"
        }
        if description.contains("failedToValidateHostname") { return "its certificate is one of another host" }
        if description.contains("ALERT"), description.contains("CERT") || description.contains("UNKNOWN_CA") {
            return "it wants another certificate of ours"
        }
        if description.contains("WRONG_VERSION_NUMBER") || description.contains("EOF during handshake") {
            return "it ends the connection instead of speaking TLS"
        }
        let name = description.split(separator: "OPENSSL_internal:").dropFirst().first?.prefix { $0 != " " }
        return "no TLS connection: \(name.map(String.init) ?? description)"
    }
}
