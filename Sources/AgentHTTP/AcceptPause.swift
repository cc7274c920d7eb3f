internal import NIOCore

/// Waits for a while where a connection cannot be accepted, since there is no descriptor for it. It stays where it is, and the
/// event loop would try again at once, and again.
///
/// swift-nio's `AcceptBackoffHandler` delays the next read that is asked for; the server's channel goes on with the one that
/// failed.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let pause = TimeAmount.seconds(1)

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is IOError else { return context.fireErrorCaught(error) }
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.scheduleTask(in: Self.pause) {
            channel.setOption(.autoRead, value: true)
        }
    }
}
