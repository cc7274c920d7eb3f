import Agent
import Testing

@Suite struct SyncScheduleTests {
    private static let settings = SyncSchedule.Settings(
        minSyncPeriod: .milliseconds(10), resyncPeriod: .seconds(100), firstRetry: .milliseconds(100),
        longestRetry: .seconds(1))

    /// A schedule after its first full comparison, at a second.
    private static func settled() -> SyncSchedule {
        var schedule = SyncSchedule(settings)
        schedule.sourcesAreComplete()
        schedule.began(isFull: true)
        schedule.succeeded(at: .seconds(1), isFull: true, jitter: 1)
        return schedule
    }

    /// Semantics 17: nothing before every source is complete, whatever else happens; then a full comparison.
    @Test func waitsForSources() {
        var schedule = SyncSchedule(Self.settings)
        schedule.definitionsChanged()
        schedule.kernelChanged()
        #expect(schedule.next(at: .seconds(1000)) == .waitForSources)
        schedule.sourcesAreComplete()
        #expect(schedule.next(at: .seconds(1000)) == .synchronize(isFull: true))
    }

    @Test func idlesUntilTheNextComparison() {
        var schedule = Self.settled()
        #expect(schedule.next(at: .seconds(2)) == .wait(until: .seconds(101)))
        #expect(schedule.next(at: .seconds(101)) == .synchronize(isFull: true))
        schedule.began(isFull: true)
        schedule.succeeded(at: .seconds(102), isFull: true, jitter: 0)
        #expect(schedule.next(at: .seconds(103)) == .wait(until: .seconds(192)))
    }

    /// The first change of a burst is carried out at once, the rest together.
    @Test func joinsBursts() {
        var schedule = Self.settled()
        schedule.definitionsChanged()
        #expect(schedule.next(at: .seconds(5)) == .synchronize(isFull: false))
        schedule.began(isFull: false)
        schedule.definitionsChanged()
        schedule.succeeded(at: .seconds(5), isFull: false, jitter: 0)
        for milliseconds in 1..<10 {
            schedule.definitionsChanged()
            let now = Duration.seconds(5) + .milliseconds(milliseconds)
            #expect(schedule.next(at: now) == .wait(until: .milliseconds(5010)))
        }
        #expect(schedule.next(at: .milliseconds(5010)) == .synchronize(isFull: false))
        schedule.began(isFull: false)
        schedule.succeeded(at: .milliseconds(5010), isFull: false, jitter: 0)
        // Small changes do not put the full comparison off.
        #expect(schedule.next(at: .seconds(6)) == .wait(until: .seconds(101)))
    }

    /// Issue 4: a program that rewrites our tables all the time must not keep a processor busy. The first change of a quiet
    /// time is mended at once; then each comparison is followed by a rest as long as it took, up to a second.
    @Test func restsWhileDriftRepeats() {
        var schedule = Self.settled()
        func mend(at start: Duration, for took: Duration) -> Duration {
            schedule.kernelChanged()
            #expect(schedule.next(at: start) == .synchronize(isFull: true))
            schedule.began(isFull: true)
            schedule.succeeded(at: start + took, isFull: true, took: took, jitter: 1)
            return start + took
        }
        var end = mend(at: .seconds(5), for: .milliseconds(300))
        schedule.kernelChanged()
        #expect(schedule.next(at: end + .milliseconds(10)) == .wait(until: end + .milliseconds(300)))
        end = mend(at: end + .milliseconds(300), for: .seconds(3))
        schedule.kernelChanged()
        #expect(schedule.next(at: end + .milliseconds(10)) == .wait(until: end + .seconds(1)))
        // What the definitions say waits with it, since what the kernel has is not known.
        schedule.definitionsChanged()
        #expect(schedule.next(at: end + .milliseconds(10)) == .wait(until: end + .seconds(1)))
        // Once it is quiet, definitions need not rest, and drift is mended at once again.
        end = mend(at: end + .seconds(1), for: .milliseconds(300))
        schedule.definitionsChanged()
        #expect(schedule.next(at: end + .milliseconds(10)) == .synchronize(isFull: false))
        schedule.began(isFull: false)
        schedule.succeeded(at: end + .milliseconds(20), isFull: false, took: .milliseconds(1), jitter: 1)
        _ = mend(at: end + .milliseconds(400), for: .milliseconds(300))
    }

    @Test func mendsDriftAtOnce() {
        var schedule = Self.settled()
        schedule.kernelChanged()
        #expect(schedule.next(at: .seconds(7)) == .synchronize(isFull: true))
        schedule.began(isFull: true)
        // Again while it is being mended.
        schedule.kernelChanged()
        schedule.succeeded(at: .seconds(7), isFull: true, jitter: 0)
        #expect(schedule.next(at: .seconds(7)) == .wait(until: .milliseconds(7010)))
        #expect(schedule.next(at: .milliseconds(7010)) == .synchronize(isFull: true))
    }

    /// Semantics 62: failures are tried again with everything compared, less and less often.
    @Test func backsOff() {
        var schedule = Self.settled()
        schedule.definitionsChanged()
        var now = Duration.seconds(10)
        var waits: [Duration] = []
        for _ in 0..<6 {
            schedule.began(isFull: false)
            schedule.failed(at: now, jitter: 1)
            schedule.definitionsChanged()
            guard case .wait(let until) = schedule.next(at: now) else {
                Issue.record("no wait after a failure")
                return
            }
            waits.append(until - now)
            now = until
            #expect(schedule.next(at: now) == .synchronize(isFull: true))
        }
        #expect(waits == [100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) })
        #expect(schedule.failureCount == 6)
        schedule.began(isFull: true)
        schedule.succeeded(at: now, isFull: true, jitter: 1)
        #expect(schedule.failureCount == 0 && !schedule.isPending)
    }

    /// Failing for years does not overflow.
    @Test func failsForEver() {
        var schedule = Self.settled()
        for _ in 0..<10_000 { schedule.failed(at: .seconds(1), jitter: 0.5) }
        #expect(schedule.next(at: .seconds(3)) == .synchronize(isFull: true))
    }
}
