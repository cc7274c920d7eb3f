internal import CoreMetrics
internal import Synchronization

// The values behind swift-metrics' handles. Each is changed from any thread.

/// A counter or a gauge.
final class NumberValue: CounterHandler, FloatingPointCounterHandler, RecorderHandler, MeterHandler {
    private let value = Mutex(0.0)

    var current: Double { value.withLock { $0 } }

    func increment(by amount: Int64) { value.withLock { $0 += Double(amount) } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func reset() { value.withLock { $0 = 0 } }
    func record(_ new: Int64) { value.withLock { $0 = Double(new) } }
    func record(_ new: Double) { value.withLock { $0 = new } }
    func set(_ new: Int64) { record(new) }
    func set(_ new: Double) { record(new) }
}

/// A histogram; durations are held in seconds.
final class HistogramValue: TimerHandler, RecorderHandler {
    struct State {
        /// How many fell into each bucket, and last those above all bounds.
        var counts: [UInt64]
        var sum = 0.0
    }

    let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    var current: State { state.withLock { $0 } }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }
}
