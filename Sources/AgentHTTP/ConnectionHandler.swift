internal import NIOCore
internal import NIOHTTP1

/// Answers the requests of one connection, one after the other.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let handler: HTTPServer.Handler
    private var head: HTTPRequestHead?
    /// The body is thrown away, but not without end.
    private var bodyBytes = 0
    private static let mostBodyBytes = 64 << 10

    init(_ handler: @escaping HTTPServer.Handler) { self.handler = handler }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            bodyBytes = 0
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            if bodyBytes > Self.mostBodyBytes { context.close(promise: nil) }
        case .end:
            if let head { answer(head, context) }
            head = nil
        }
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let local = context.channel.localAddress
        let request = HTTPRequest(
            method: head.method.rawValue, target: head.uri, localAddress: local?.ipAddress,
            localPort: local?.port.flatMap(UInt16.init(exactly:)))
        guard head.method == .GET || head.method == .HEAD else { return write(.notAllowed, head, context) }
        let reply = context.eventLoop.makePromise(of: HTTPReply.self)
        let handler = handler
        reply.completeWithTask { await handler(request) }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        reply.futureResult.whenSuccess { reply in
            let (me, context) = bound.value
            me.write(reply, head, context)
        }
    }

    private func write(_ reply: HTTPReply, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
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
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            if isLast { bound.value.close(promise: nil) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
