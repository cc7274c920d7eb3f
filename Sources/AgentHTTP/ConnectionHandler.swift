internal import NIOCore
internal import NIOHTTP1

/// Answers the requests of one connection, one after the other.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let handler: HTTPServer.Handler
    private let connections: Connections
    private var head: HTTPRequestHead?
    /// The body is thrown away, but not without end.
    private var bodyBytes = 0
    private let patience: TimeAmount
    private var deadline: Scheduled<Void>?
    private static let mostBodyBytes = 64 << 10

    /// - Parameter patience: how long a client may take for a whole request, and again for taking the answer. One that
    ///   sends a byte now and then is never idle, and would hold its connection for ever.
    init(_ handler: @escaping HTTPServer.Handler, _ connections: Connections, patience: TimeAmount) {
        self.handler = handler
        self.connections = connections
        self.patience = patience
    }

    func handlerAdded(context: ChannelHandlerContext) { expectProgress(context) }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    private func expectProgress(_ context: ChannelHandlerContext) {
        deadline?.cancel()
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            bodyBytes = 0
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            if bodyBytes > Self.mostBodyBytes { context.close(promise: nil) }
        case .end:
            // Now the client waits for us.
            deadline?.cancel()
            if let head { answer(head, context) }
            head = nil
        }
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let local = context.channel.localAddress
        let request = HTTPRequest(
            method: head.method.rawValue, target: head.uri, localAddress: local?.ipAddress,
            localPort: local?.port.flatMap(UInt16.init(exactly:)))
        guard head.method == .GET || head.method == .HEAD else { return write(.notAllowed, head, context) {} }
        let (connections, channel) = (connections, context.channel)
        guard connections.beginAnswer(on: channel) else { return write(.busy, head, context) {} }
        let reply = context.eventLoop.makePromise(of: HTTPReply.self)
        let handler = handler
        reply.completeWithTask { await handler(request) }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        reply.futureResult.whenSuccess { reply in
            let (me, context) = bound.value
            me.write(reply, head, context) { connections.endAnswer(on: channel) }
        }
    }

    /// - Parameter onEnd: is called when the answer has been sent, or cannot be.
    private func write(
        _ reply: HTTPReply, _ head: HTTPRequestHead, _ context: ChannelHandlerContext,
        onEnd: @escaping @Sendable () -> Void
    ) {
        guard context.channel.isActive else { return onEnd() }
        expectProgress(context)
        var headers = HTTPHeaders([
            ("Content-Type", reply.contentType), ("Content-Length", String(reply.body.count)),
            ("X-Content-Type-Options", "nosniff"),
        ])
        for (name, value) in reply.headers.sorted(by: { $0.key < $1.key }) { headers.add(name: name, value: value) }
        if !head.isKeepAlive { headers.add(name: "Connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: reply.status)
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: headers))),
            promise: nil)
        if head.method != .HEAD {
            context.write(
                wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: reply.body)))), promise: nil)
        }
        let isLast = !head.isKeepAlive
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            onEnd()
            let (me, context) = bound.value
            if isLast { context.close(promise: nil) } else if context.channel.isActive { me.expectProgress(context) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
