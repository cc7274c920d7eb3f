import Glibc
import NetAddress
import Synchronization
import Testing

import ServiceSource
@testable import AgentRuntime

@Suite struct AddressWatcherTests {
    private struct Broken: Error, CustomStringConvertible {
        var description: String { "no memory" }
    }

    /// Issue 4: node ports would go on to answer at old addresses, and nobody would know why.
    @Test func saysThatAddressesCannotBeReadAndTriesAgain() async throws {
        let (one, two) = (IPAddress(ipv4: 0xc000_0201), IPAddress(ipv4: 0xc000_0202))
        // What is read at first, then after the change, and then a second later.
        let readings = Mutex<[Result<Set<IPAddress>, Broken>]>([
            .success([one]), .failure(Broken()), .failure(Broken()), .success([one, two]),
        ])
        var pair: [Int32] = [-1, -1]
        #expect(pipe(&pair) == 0)
        let (inside, outside) = (pair[0], pair[1])
        defer {
            close(inside)
            close(outside)
        }
        let watcher = try AddressWatcher(
            descriptor: inside,
            hasChanged: {
                var byte: UInt8 = 0
                return Glibc.read(inside, &byte, 1) == 1
            }, read: { try readings.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }.get() })
        #expect(watcher.first == [one])
        var byte: UInt8 = 1
        // One for the change, and one for each further try, which asks whether there is more.
        for _ in 0..<3 { write(outside, &byte, 1) }
        let told: [AddressWatcher.News] = try await onOwnThread {
            var told: [AddressWatcher.News] = []
            watcher.run { news in
                told.append(news)
                if news == .mended { watcher.stop() }
            }
            return told
        }
        #expect(told == [.problem("no memory"), .addresses([one, two]), .mended])
    }
}
