package import EtcdSource
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Passes connections on to a port of loopback, until it is told to do something else.
package final class TCPProxy: Sendable {
    private let gate = Gate()
    private let listening: any Channel

    package init(to port: UInt16) throws {
        let gate = gate
        gate.target.withLock { $0 = port }
        listening = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { client in
                guard gate.admits(client) else { return client.close() }
                let back = client.eventLoop.makeSucceededFuture(client as any Channel)
                let server = ClientBootstrap(group: client.eventLoop)
                    .channelInitializer { server in
                        gate.add(server)
                        return server.eventLoop.makeCompletedFuture {
                            try server.pipeline.syncOperations.addHandler(Passing(to: back, gate))
                        }
                    }
                    .connect(host: "127.0.0.1", port: Int(gate.target.withLock { $0 }))
                return client.eventLoop.makeCompletedFuture {
                    try client.pipeline.syncOperations.addHandler(Passing(to: server, gate))
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
    }

    deinit {
        gate.closeAll()
        listening.close(promise: nil)
    }

    package var port: Int { listening.localAddress?.port ?? 0 }

    /// The port to which new connections are passed on.
    package var target: UInt16 {
        get { gate.target.withLock { $0 } }
        set { gate.target.withLock { $0 = newValue } }
    }

    package var location: EtcdLocation { get throws { try EtcdLocation("http://127.0.0.1:\(port)") } }

    /// How many connections there were.
    package var count: Int { gate.count }

    /// How many connections there are.
    package var openCount: Int { gate.openCount }

    /// Passes on what comes, from now on.
    package func pass(after delay: Duration = .zero) { gate.set(.pass(TimeAmount(delay))) }

    /// Passes on what comes in pieces, from now on, with a pause before each.
    package func trickle(_ count: Int, every pause: Duration) {
        gate.set(.pass(TimeAmount(pause)))
        gate.piece.withLock { $0 = count }
    }

    /// Swallows what comes, and closes nothing.
    package func hold() { gate.set(.hold) }

    /// Closes all connections.
    package func cut() { gate.closeAll() }

    /// Closes all connections, and new ones at once.
    package func refuse() {
        gate.set(.refuse)
        gate.closeAll()
    }
}

/// What a proxy does at the moment, and its connections.
private final class Gate: Sendable {
    enum Mode {
        case pass(TimeAmount)
        case hold
        case refuse
    }

    let target = Mutex<UInt16>(0)
    /// How many bytes are passed on at once; nil for all that come.
    let piece = Mutex<Int?>(nil)
    private let mode = Mutex(Mode.pass(.zero))
    private let channels = Mutex<(open: [any Channel], count: Int)>(([], 0))

    var count: Int { channels.withLock { $0.count } }

    /// Each of them has two ends.
    var openCount: Int { channels.withLock { $0.open.count { $0.isActive } } / 2 }

    func set(_ mode: Mode) { self.mode.withLock { $0 = mode } }

    func admits(_ channel: any Channel) -> Bool {
        channels.withLock { $0.count += 1 }
        if case .refuse = mode.withLock({ $0 }) { return false }
        add(channel)
        return true
    }

    func add(_ channel: any Channel) { channels.withLock { $0.open.append(channel) } }

    /// How long to keep what has come; nil to drop it.
    var delay: TimeAmount? {
        switch mode.withLock({ $0 }) {
        case .pass(let delay): delay
        case .hold, .refuse: nil
        }
    }

    func closeAll() {
        let open = channels.withLock { channels in
            defer { channels.open = [] }
            return channels.open
        }
        for channel in open { channel.close(promise: nil) }
    }
}

private final class Passing: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let other: EventLoopFuture<any Channel>
    private let gate: Gate
    /// When the last piece of what has come is passed on.
    private var last = NIODeadline.now()

    init(to other: EventLoopFuture<any Channel>, _ gate: Gate) {
        self.other = other
        self.gate = gate
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let delay = gate.delay else { return }
        let (bytes, other) = (unwrapInboundIn(data), other)
        if let count = gate.piece.withLock({ $0 }) {
            last = max(last, .now())
            var rest = bytes
            while rest.readableBytes > 0, let part = rest.readSlice(length: min(count, rest.readableBytes)) {
                last = last + delay
                context.eventLoop.scheduleTask(deadline: last) {
                    other.whenSuccess { $0.writeAndFlush(part, promise: nil) }
                }
            }
            return
        }
        let send: @Sendable () -> Void = { other.whenSuccess { $0.writeAndFlush(bytes, promise: nil) } }
        if delay > .zero { context.eventLoop.scheduleTask(in: delay, send) } else { send() }
    }

    func channelInactive(context: ChannelHandlerContext) { other.whenSuccess { $0.close(promise: nil) } }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
