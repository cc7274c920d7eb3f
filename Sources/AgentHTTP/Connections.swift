internal import NIOCore
internal import Synchronization

/// Who is connected to a server, and how many answers are under way.
final class Connections: Sendable {
    /// More than this at once is nobody who means well.
    static let most = 256

    private struct Content {
        /// Since which turn each waits for its client to ask; nil while it is answered.
        var waiting: [ObjectIdentifier: (channel: any Channel, turn: UInt64?)] = [:]
        var turn: UInt64 = 0
        var answers = 0
    }

    private let content = Mutex(Content())
    private let mostAnswers: Int

    init(mostAnswers: Int) { self.mostAnswers = mostAnswers }

    /// Takes one more. Where there are too many, the one that has asked for nothing for the longest time makes room: whoever
    /// connects and says nothing must not keep out those who ask.
    ///
    /// - Returns: whether there is room.
    func add(_ channel: any Channel) -> Bool {
        let (isTaken, idle) = content.withLock { content -> (Bool, (any Channel)?) in
            var idle: (any Channel)?
            if content.waiting.count >= Self.most {
                let oldest = content.waiting.filter { $0.value.turn != nil }
                    .min { ($0.value.turn ?? 0) < ($1.value.turn ?? 0) }
                guard let oldest else { return (false, nil) }
                content.waiting[oldest.key] = nil
                idle = oldest.value.channel
            }
            content.turn += 1
            content.waiting[ObjectIdentifier(channel)] = (channel, content.turn)
            return (true, idle)
        }
        idle?.close(promise: nil)
        return isTaken
    }

    func remove(_ channel: any Channel) {
        content.withLock { $0.waiting[ObjectIdentifier(channel)] = nil }
    }

    /// An answer is to be made: false if too many are already.
    func beginAnswer(on channel: any Channel) -> Bool {
        content.withLock { content in
            guard content.answers < mostAnswers else { return false }
            content.answers += 1
            content.waiting[ObjectIdentifier(channel)]?.turn = nil
            return true
        }
    }

    /// The answer has been sent, or will never be.
    func endAnswer(on channel: any Channel) {
        content.withLock { content in
            content.answers -= 1
            content.turn += 1
            content.waiting[ObjectIdentifier(channel)]?.turn = content.turn
        }
    }
}
