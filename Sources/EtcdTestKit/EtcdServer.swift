package import DataplaneTestKit
package import EtcdSource
internal import Foundation
internal import Glibc
internal import Synchronization

/// An etcd of a test's own on loopback, with a directory of its own. It is killed when the object goes.
package final class EtcdServer {
    package let directory: String
    package let name: String
    package let clientPort: UInt16
    package let peerPort: UInt16
    package var options: [String] = []
    /// The members of a cluster: `NAME=URL,NAME=URL`.
    package var cluster: String
    package let scheme: String
    /// Where it runs, out of reach from elsewhere; nil for where the tests run.
    package let namespace: NetworkNamespace?
    private var process: RunningProgram?

    package struct Failed: Error, CustomStringConvertible {
        package var description: String
    }

    package init(name: String = "one", scheme: String = "http", in namespace: NetworkNamespace? = nil) throws {
        self.name = name
        self.scheme = scheme
        self.namespace = namespace
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NSTemporaryDirectory()
        directory = "\(parent)/svcctl-etcd-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        clientPort = try freePort()
        peerPort = try freePort()
        cluster = "\(name)=http://127.0.0.1:\(peerPort)"
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Whether there is an etcd here, and a loopback that is up.
    package static let canRun = access("/usr/bin/etcd", X_OK) == 0 && canSend(to: 9)

    package var url: String { "\(scheme)://127.0.0.1:\(clientPort)" }

    package var location: EtcdLocation { get throws { try EtcdLocation(url) } }

    /// Starts it, and waits until it answers.
    package func start() async throws {
        try spawn()
        try await waitUntilReady()
    }

    package func spawn() throws {
        let command =
            [
                "/usr/bin/etcd", "--name", name, "--data-dir", directory + "/data", "--listen-client-urls", url,
                "--advertise-client-urls", url, "--listen-peer-urls", "http://127.0.0.1:\(peerPort)",
                "--initial-advertise-peer-urls", "http://127.0.0.1:\(peerPort)", "--initial-cluster", cluster,
                "--heartbeat-interval", "50", "--election-timeout", "500", "--log-level", "error", "--logger", "zap",
            ] + options
        if let namespace {
            process = try RunningProgram(command, in: namespace)
        } else {
            process = try RunningProgram(command)
        }
    }

    /// Waits until it listens, which it does once it serves.
    package func waitUntilReady() async throws {
        let deadline = ContinuousClock.now + .seconds(15)
        while try !isListening() {
            guard ContinuousClock.now < deadline else {
                let said = try process?.stop().errors ?? ""
                throw Failed(description: "etcd does not start: \(said)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func isListening() throws -> Bool {
        let port = clientPort
        return try namespace?.run { canConnect(to: port) } ?? canConnect(to: port)
    }

    /// Ends it by a signal, and waits.
    package func stop(by signal: Int32 = SIGKILL) {
        process?.signal(signal)
        _ = try? process?.wait()
        process = nil
    }

    package func loseData() throws { try FileManager.default.removeItem(atPath: directory + "/data") }
}

private func canConnect(to port: UInt16) -> Bool { connects(SOCK_STREAM, to: port) }

/// Whether there is a way to loopback at all.
private func canSend(to port: UInt16) -> Bool { connects(SOCK_DGRAM, to: port) }

private func connects(_ kind: __socket_type, to port: UInt16) -> Bool {
    let socket = socket(AF_INET, Int32(kind.rawValue), 0)
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
