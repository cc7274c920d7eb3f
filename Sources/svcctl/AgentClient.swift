internal import ArgumentParser
internal import Glibc

/// Asks the agent of this node over its unix socket: one HTTP request, whose answer ends with the connection.
struct AgentClient {
    let socketPath: String

    struct Answer {
        var status: Int
        /// By name in lower case.
        var headers: [String: String]
        var body: [UInt8]
    }

    /// - Throws: ``Unreachable`` if no agent answers there.
    func get(_ target: String) throws(Unreachable) -> Answer {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        guard connect(descriptor) else { throw failure(socketPath) }
        let request = "GET \(target) HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
        guard write(Array(request.utf8), to: descriptor) else { throw failure(socketPath) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw failure(socketPath) }
            if count == 0 { break }
            bytes += buffer.prefix(count)
        }
        guard let answer = Answer(bytes) else { throw Unreachable(message: "\(socketPath): no HTTP comes from there") }
        return answer
    }

    private func connect(_ descriptor: Int32) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(socketPath.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return false
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private func failure(_ what: String) -> Unreachable {
        Unreachable(message: "\(what): \(String(cString: strerror(errno)))", isDenied: errno == EACCES)
    }

    struct Unreachable: Error, CustomStringConvertible {
        var message: String
        var isDenied = false
        var description: String { "no agent answers: \(message)" }
    }
}

extension AgentClient.Answer {
    /// Nil for what is not an answer of HTTP/1.
    init?(_ bytes: [UInt8]) {
        let separator: [UInt8] = [13, 10, 13, 10]
        guard
            let end = bytes.indices.dropLast(3).first(where: {
                bytes[$0] == 13 && bytes[$0..<$0 + 4].elementsEqual(separator)
            })
        else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
        self.status = status
        headers = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
        }
        body = Array(bytes[(end + 4)...])
    }
}

/// Where the agent answers.
struct AgentSocketOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where the agent of this node answers.", valueName: "path"))
    var socket = "/run/svcctl/agent.sock"

    var client: AgentClient { AgentClient(socketPath: socket) }
}
