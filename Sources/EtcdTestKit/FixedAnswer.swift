internal import NIOCore
internal import NIOPosix

/// A server on loopback that answers all that comes with the same bytes.
package final class FixedAnswer: Sendable {
    private let listening: any Channel

    package init(_ answer: String) throws {
        listening = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { client in
                client.eventLoop.makeCompletedFuture {
                    try client.pipeline.syncOperations.addHandler(Answering(answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
    }

    deinit { listening.close(promise: nil) }

    package var port: UInt16 { UInt16(listening.localAddress?.port ?? 0) }
}

private final class Answering: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answer: ByteBuffer

    init(_ answer: String) { self.answer = ByteBuffer(string: answer) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
    }
}
