internal import ServiceSource

/// Decides when the kernel is brought up to date: a pure state machine, which is told what happened and when, and says
/// what to do next. It knows no clock of its own.
///
/// - A change is carried out at once, but not sooner than a minimum period after the last synchronization: what comes in
///   between is joined.
/// - After a failure it waits, longer each time, and then compares everything.
/// - What somebody else changed is mended at once, and everything is compared now and then in any case. Where somebody
///   goes on to change it, each comparison is followed by a rest as long as it took, so that the node has half of its
///   processor for others at least.
public struct SyncSchedule: Sendable {
    /// Points in time, as a duration since any fixed moment.
    public typealias Instant = Duration

    public struct Settings: Hashable, Sendable {
        /// The least time between two synchronizations (`--min-sync-period`).
        public var minSyncPeriod: Duration
        /// The most time between two full comparisons (`--resync-period`).
        public var resyncPeriod: Duration
        /// The first wait after a failure; it doubles with each further one, up to the longest.
        public var firstRetry: Duration
        public var longestRetry: Duration

        public init(
            minSyncPeriod: Duration = .milliseconds(10), resyncPeriod: Duration = .seconds(3600),
            firstRetry: Duration = .milliseconds(100), longestRetry: Duration = .seconds(30)
        ) {
            self.minSyncPeriod = minSyncPeriod
            self.resyncPeriod = resyncPeriod
            self.firstRetry = firstRetry
            self.longestRetry = longestRetry
        }
    }

    /// What to do.
    public enum Step: Hashable, Sendable {
        /// Nothing before this moment, unless something happens.
        case wait(until: Instant)
        /// Nothing at all, until something happens: not every source is complete.
        case waitForSources
        /// Bring the kernel up to date; `isFull` asks to compare with everything that it has.
        case synchronize(isFull: Bool)
    }

    private let settings: Settings
    private var isComplete = false
    private var hasChanges = false
    /// Whether what is known of the kernel cannot be trusted.
    private var needsComparison = true
    private var retryPause: RetryPause
    private var lastEnd: Instant?
    /// Not before this moment, after failures.
    private var retryAt: Instant?
    private var comparisonDue: Instant?
    /// Whether somebody else changed something that no comparison has looked at yet.
    private var hasDrifted = false
    /// Whether the comparison that runs, or was the last, was for what somebody else changed.
    private var mendsDrift = false
    /// How long to leave drift alone after the last comparison.
    private var rest = Duration.zero
    private static let longestRest = Duration.seconds(1)

    public init(_ settings: Settings = Settings()) {
        self.settings = settings
        retryPause = RetryPause(first: settings.firstRetry, longest: settings.longestRetry)
    }

    /// Whether something is to be done that has not been done yet. Until every source is complete nothing is: what a source
    /// lacks is no delay of ours, and must not look like one to a liveness probe.
    public var isPending: Bool { isComplete && (hasChanges || needsComparison) }
    /// How many times in a row it failed.
    public var failureCount: Int { retryPause.failures }

    // MARK: - What happens

    /// Every source has delivered its first complete state. Nothing is written before (semantics 17).
    public mutating func sourcesAreComplete() { isComplete = true }

    /// Something changed in the definitions.
    public mutating func definitionsChanged() { hasChanges = true }

    /// Somebody else changed something of ours, or may have.
    public mutating func kernelChanged() {
        needsComparison = true
        hasDrifted = true
    }

    /// A synchronization has begun: what happens from now on is for the next one.
    public mutating func began(isFull: Bool) {
        hasChanges = false
        guard isFull else { return }
        needsComparison = false
        (mendsDrift, hasDrifted) = (hasDrifted, false)
    }

    /// - Parameters:
    ///   - took: how long it took.
    ///   - jitter: from 0 up to 1, drawn anew each time: nodes that started together compare at different times.
    public mutating func succeeded(at now: Instant, isFull: Bool, took: Duration = .zero, jitter: Double) {
        retryPause.succeeded()
        retryAt = nil
        lastEnd = now
        if isFull { rest = mendsDrift ? min(took, Self.longestRest) : .zero }
        if isFull || comparisonDue == nil {
            comparisonDue = now + settings.resyncPeriod * (0.9 + 0.1 * min(max(jitter, 0), 1))
        }
    }

    /// The kernel is now in an unknown state, so the next try compares everything.
    public mutating func failed(at now: Instant, jitter: Double) {
        hasChanges = true
        needsComparison = true
        lastEnd = now
        retryAt = now + retryPause.failed(jitter: jitter)
    }

    // MARK: - What to do

    public func next(at now: Instant) -> Step {
        guard isComplete else { return .waitForSources }
        let isDue = comparisonDue.map { $0 <= now } ?? false
        guard isPending || isDue else { return .wait(until: comparisonDue ?? now) }
        let pause = max(settings.minSyncPeriod, hasDrifted ? rest : .zero)
        let earliest = max(retryAt ?? now, lastEnd.map { $0 + pause } ?? now)
        return earliest <= now ? .synchronize(isFull: needsComparison || isDue) : .wait(until: earliest)
    }
}
