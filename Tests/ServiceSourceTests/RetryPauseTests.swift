import ServiceSource
import Testing

@Suite struct RetryPauseTests {
    @Test func growsAndEnds() {
        var pause = RetryPause(first: .milliseconds(100), longest: .seconds(1))
        let waits = (0..<6).map { _ in pause.failed(jitter: 1) }
        #expect(waits == [100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) })
        for _ in 0..<100 { #expect(pause.failed(jitter: 0) == .milliseconds(500)) }
        #expect(pause.failures == 64)
        pause.succeeded()
        #expect(pause.failures == 0 && pause.failed(jitter: 0) == .milliseconds(50))
    }
}
