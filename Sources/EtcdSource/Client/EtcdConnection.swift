internal import AsyncHTTPClient
internal import FoundationEssentials
internal import NIOCore
internal import NIOFoundationEssentialsCompat
internal import NIOHTTP1
internal import Synchronization

/// Requests to one member of a cluster.
package final class EtcdConnection: Sendable {
    /// The largest answer that is taken in one piece.
    static let largestAnswer = 64 << 20
    /// How many times as long as a request may be without an answer, the whole of it may take to come.
    private static let mostPatience = 24

    /// `http://HOST:PORT`.
    package let member: String
    let credentials: EtcdCredentials
    let timing: EtcdTiming
    private let client: HTTPClient
    private let token = Mutex<String?>(nil)

    package init(_ member: String, _ credentials: EtcdCredentials, _ timing: EtcdTiming) throws(EtcdError) {
        self.member = member
        self.credentials = credentials
        self.timing = timing
        var configuration = HTTPClient.Configuration()
        if member.hasPrefix("https:") { configuration.tlsConfiguration = try credentials.tlsConfiguration() }
        configuration.timeout.connect = TimeAmount(timing.request)
        configuration.redirectConfiguration = .disallow
        // We try again ourselves, and elsewhere.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        configuration.http1_1ConnectionDebugInitializer = { Keepalive.set(on: $0) }
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Ends all connections. It must be called once.
    package func close() async { try? await client.shutdown() }

    /// Sends one request and takes in the whole answer.
    ///
    /// - Throws: ``EtcdError``, or `CancellationError`.
    package func call<Answer: Decodable & Sendable>(
        _ path: String, _ request: some Encodable & Sendable, as answer: Answer.Type = Answer.self
    ) async throws -> Answer {
        let body = try Self.encode(request)
        return try await authenticated {
            let bytes = try await self.wholeAnswer(path, body)
            do {
                return try JSONDecoder().decode(Answer.self, from: bytes)
            } catch {
                throw EtcdError(.notUnderstood, "\(self.member) answers \(path) with what etcd would not say")
            }
        }
    }

    /// Starts a request whose answer does not end, such as a watch.
    func stream(_ path: String, _ request: some Encodable & Sendable) async throws -> HTTPClientResponse.Body {
        let body = try Self.encode(request)
        return try await authenticated {
            try await withTimeLimit(self.timing.request, or: self.lateness) {
                let response = try await self.response(path, body)
                guard response.status == .ok else { throw await self.refusal(path, response) }
                return response.body
            }
        }
    }

    // MARK: - Requests

    private static func encode(_ request: some Encodable) throws -> Data { try JSONEncoder().encode(request) }

    private func response(_ path: String, _ body: Data) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: member + path)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        if let token = token.withLock({ $0 }) { request.headers.add(name: "Authorization", value: token) }
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            return try await client.execute(request, timeout: TimeAmount(timing.request))
        } catch {
            throw EtcdError(transport: error, member: member)
        }
    }

    private var lateness: EtcdError { EtcdError(.unreachable, "\(member) does not answer in time") }

    /// A listing may have megabytes, and the line may be slow: as long as it comes, it is waited for.
    private func wholeAnswer(_ path: String, _ body: Data) async throws -> Data {
        try await withTimeLimit(timing.request, atMost: timing.request * Self.mostPatience, or: lateness) { progress in
            let response = try await self.response(path, body)
            guard response.status == .ok else { throw await self.refusal(path, response) }
            var answer = ByteBuffer()
            do {
                for try await var chunk in response.body {
                    progress.isMade()
                    answer.writeBuffer(&chunk)
                    guard answer.readableBytes <= Self.largestAnswer else {
                        throw EtcdError(.tooLarge, "the answer is too large")
                    }
                }
            } catch {
                throw EtcdError(transport: error, member: self.member)
            }
            return Data(buffer: answer)
        }
    }

    /// What an answer with another status than 200 means.
    private func refusal(_ path: String, _ response: HTTPClientResponse) async -> EtcdError {
        let isJSON = response.headers.first(name: "Content-Type")?.hasPrefix("application/json") == true
        if isJSON, let body = try? await response.body.collect(upTo: 1 << 16),
            var error = try? JSONDecoder().decode(GatewayError.self, from: Data(buffer: body)).asError
        {
            error.message = "\(member): \(error.message)"
            return error
        }
        return EtcdError(
            .notUnderstood,
            "\(member) answers \(path) with status \(response.status.code), as etcd 3.4 and later would not")
    }

    // MARK: - User and password

    /// Sees to it that there is a token if there is a user, and gets a new one if etcd does not take it any more.
    private func authenticated<Output: Sendable>(_ body: () async throws -> Output) async throws -> Output {
        guard let user = credentials.user else { return try await body() }
        if token.withLock({ $0 }) == nil { try await authenticate(user) }
        do {
            return try await body()
        } catch let error as EtcdError where error.kind == .staleToken {
            try await authenticate(user)
            return try await body()
        }
    }

    /// Forgets the token, so that the next request gets a new one.
    func forgetToken() { token.withLock { $0 = nil } }

    private func authenticate(_ user: String) async throws {
        forgetToken()
        let body = try Self.encode(AuthenticateRequest(name: user, password: try credentials.password()))
        do {
            let answer = try await wholeAnswer("/v3/auth/authenticate", body)
            guard let token = try? JSONDecoder().decode(AuthenticateResponse.self, from: answer).token else {
                throw EtcdError(.notUnderstood, "\(member) gives no token")
            }
            self.token.withLock { $0 = token }
        } catch let error as EtcdError where error.message.hasSuffix("authentication is not enabled") {
            // Then everybody may do everything, and nobody asks who we are.
        }
    }
}

/// Finds out that the other side of a silent connection is gone.
private enum Keepalive {
    // linux/tcp.h; in seconds, but for the count.
    private static let options: [(level: NIOBSDSocket.OptionLevel, name: CInt, value: Int)] = [
        (.socket, 9, 1),  // SO_KEEPALIVE
        (.tcp, 4, 10),  // TCP_KEEPIDLE
        (.tcp, 5, 5),  // TCP_KEEPINTVL
        (.tcp, 6, 3),  // TCP_KEEPCNT
    ]

    static func set(on channel: any Channel) -> EventLoopFuture<Void> {
        let set = options.map { option in
            let key = ChannelOptions.Types.SocketOption(level: option.level, name: .init(rawValue: option.name))
            return channel.setOption(key, value: SocketOptionValue(option.value))
        }
        return EventLoopFuture.andAllComplete(set, on: channel.eventLoop)
    }
}
