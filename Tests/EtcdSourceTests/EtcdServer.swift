import EtcdSource
import Foundation
import Glibc

/// An etcd of a test's own on loopback, with a directory of its own. It is killed when the object goes.
final class EtcdServer {
    let directory: String
    let name: String
    let clientPort: UInt16
    let peerPort: UInt16
    var options: [String] = []
    /// The members of a cluster: `NAME=URL,NAME=URL`.
    var cluster: String
    let scheme: String
    private var process: Process?

    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    init(name: String = "one", scheme: String = "http") throws {
        self.name = name
        self.scheme = scheme
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NSTemporaryDirectory()
        directory = "\(parent)/svcctl-etcd-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        clientPort = try freePort()
        peerPort = try freePort()
        cluster = "\(name)=http://127.0.0.1:\(peerPort)"
    }

    deinit {
        stop(by: SIGKILL)
        try? FileManager.default.removeItem(atPath: directory)
    }

    static let isInstalled = access("/usr/bin/etcd", X_OK) == 0

    var url: String { "\(scheme)://127.0.0.1:\(clientPort)" }

    var location: EtcdLocation { get throws { try EtcdLocation(url) } }

    /// Starts it, and waits until it answers.
    func start() async throws {
        try spawn()
        try await waitUntilReady()
    }

    func spawn() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/etcd")
        process.arguments =
            [
                "--name", name, "--data-dir", directory + "/data", "--listen-client-urls", url,
                "--advertise-client-urls", url, "--listen-peer-urls", "http://127.0.0.1:\(peerPort)",
                "--initial-advertise-peer-urls", "http://127.0.0.1:\(peerPort)", "--initial-cluster", cluster,
                "--heartbeat-interval", "50", "--election-timeout", "500", "--log-level", "error", "--logger", "zap",
            ] + options
        try Data().write(to: URL(fileURLWithPath: directory + "/log"))
        let log = FileHandle(forWritingAtPath: directory + "/log")
        process.standardOutput = log
        process.standardError = log
        try process.run()
        self.process = process
    }

    func waitUntilReady() async throws {
        let deadline = ContinuousClock.now + .seconds(15)
        while ContinuousClock.now < deadline {
            guard process?.isRunning == true else { break }
            // Whether it speaks TLS or not, it listens once it serves.
            if canConnect(to: clientPort) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        let log = (try? String(contentsOfFile: directory + "/log", encoding: .utf8)) ?? ""
        throw Failed(description: "etcd does not start: \(log)")
    }

    /// Ends it by a signal, and waits.
    func stop(by signal: Int32 = SIGKILL) {
        guard let process else { return }
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        self.process = nil
    }

    func loseData() throws { try FileManager.default.removeItem(atPath: directory + "/data") }
}

/// A port of loopback that nobody has.
func freePort() throws -> UInt16 {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
            bind(socket, raw, length) == 0 && getsockname(socket, raw, &length) == 0
        }
    }
    guard result else { throw POSIXError(.EADDRNOTAVAIL) }
    return UInt16(bigEndian: address.sin_port)
}

private func canConnect(to port: UInt16) -> Bool {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = loopback(port)
    return withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
            connect(socket, raw, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

private func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
}
