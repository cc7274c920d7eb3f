internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A small HTTP/1.1 server for scrapes and probes: GET and HEAD, short answers, all on one thread.
public final class HTTPServer: Sendable {
    /// Where to listen.
    public enum Address: Hashable, Sendable {
        /// An IP address as text and a port; 0 picks one.
        case tcp(String, UInt16)
        /// The path of a unix socket. A file that is there is replaced; nobody but the owner may connect.
        case unix(String)
    }

    public typealias Handler = @Sendable (HTTPRequest) async -> HTTPReply

    /// One thread for all servers: they have little to do.
    private static let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    private let channel: any Channel
    /// The port that it listens on; nil for a unix socket.
    public let port: UInt16?

    private init(_ channel: any Channel) {
        self.channel = channel
        port = channel.localAddress?.port.flatMap(UInt16.init(exactly:))
    }

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - patience: how long a client may take for a request, and again for taking the answer.
    ///   - mostAnswers: how many answers may be made or on their way at once, where they are large; who asks for one more
    ///     gets 503.
    /// - Throws: ``ListenError`` if the address cannot be had.
    public static func start(
        on address: Address, patience: Duration = .seconds(30), mostAnswers: Int = .max, handler: @escaping Handler
    ) async throws -> HTTPServer {
        let connections = Connections(mostAnswers: mostAnswers)
        let bootstrap = ServerBootstrap(group: threads)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause())
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard connections.add(channel) else { throw ListenError(message: "too many connections") }
                    channel.closeFuture.whenComplete { _ in connections.remove(channel) }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(allTimeout: .seconds(30)))
                    try pipeline.configureHTTPServerPipeline()
                    try pipeline.addHandler(ConnectionHandler(handler, connections, patience: TimeAmount(patience)))
                }
            }
        do {
            switch address {
            case .tcp(let host, let port):
                return HTTPServer(try await bootstrap.bind(host: host, port: Int(port)).get())
            case .unix(let path):
                let channel = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true)
                    .get()
                return HTTPServer(channel)
            }
        } catch let error as IOError {
            let reason = String(cString: strerror(error.errnoCode))
            throw ListenError(message: "cannot listen on \(address): \(reason)")
        } catch is UnixDomainSocketPathWrongType {
            throw ListenError(message: "cannot listen on \(address): what is there is no socket")
        }
    }

    /// Stops to listen; what is being answered is finished. The file of a unix socket stays.
    public func stop() async { try? await channel.close().get() }
}

extension HTTPServer.Address: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }
}

/// Why a server cannot listen.
public struct ListenError: Error, Hashable, Sendable, CustomStringConvertible {
    public var message: String
    public var description: String { message }
}
