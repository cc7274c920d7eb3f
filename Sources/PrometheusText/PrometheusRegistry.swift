public import CoreMetrics
internal import Synchronization

/// Holds what is recorded through swift-metrics, and writes it as Prometheus reads it (text format 0.0.4).
///
/// Only metrics that were described beforehand are shown, so that each has its help, its type and, if it is a
/// histogram, its buckets.
public final class PrometheusRegistry: MetricsFactory {
    private struct Key: Hashable {
        var name: String
        /// `a="1",b="2"`.
        var labels: String
    }

    private let descriptions: [MetricDescription]
    private let buckets: [String: [Double]]
    private let numbers = Mutex<[Key: NumberValue]>([:])
    private let histograms = Mutex<[Key: HistogramValue]>([:])

    public init(_ descriptions: [MetricDescription]) {
        self.descriptions = descriptions
        buckets = Dictionary(
            descriptions.filter { $0.kind == .histogram }.map { ($0.name, $0.buckets) }, uniquingKeysWith: { $1 })
    }

    // MARK: - swift-metrics

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        number(label, dimensions)
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler { number(label, dimensions) }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        number(label, dimensions)
    }

    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        if buckets[label] != nil { histogram(label, dimensions) } else { number(label, dimensions) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, dimensions)
    }

    public func destroyCounter(_ handler: any CounterHandler) { forget(handler as? NumberValue) }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
        forget(handler as? NumberValue)
    }
    public func destroyMeter(_ handler: any MeterHandler) { forget(handler as? NumberValue) }
    public func destroyRecorder(_ handler: any RecorderHandler) { forget(handler as? NumberValue) }
    public func destroyTimer(_ handler: any TimerHandler) {
        histograms.withLock { values in values = values.filter { $0.value !== handler as? HistogramValue } }
    }

    private func forget(_ value: NumberValue?) {
        numbers.withLock { values in values = values.filter { $0.value !== value } }
    }

    private func number(_ name: String, _ labels: [(String, String)]) -> NumberValue {
        let key = Key(name: name, labels: LabelText.join(labels))
        return numbers.withLock { values in
            if let value = values[key] { return value }
            let value = NumberValue()
            values[key] = value
            return value
        }
    }

    private func histogram(_ name: String, _ labels: [(String, String)]) -> HistogramValue {
        let key = Key(name: name, labels: LabelText.join(labels))
        let bounds = buckets[name] ?? []
        return histograms.withLock { values in
            if let value = values[key] { return value }
            let value = HistogramValue(bounds: bounds)
            values[key] = value
            return value
        }
    }

    // MARK: - The text

    /// Everything as text, together with what is known only now. Metrics come in the order of their descriptions.
    public func text(with samples: [MetricSample] = []) -> [UInt8] {
        let numbers = Dictionary(grouping: numbers.withLock { $0 }, by: \.key.name)
        let histograms = Dictionary(grouping: histograms.withLock { $0 }, by: \.key.name)
        let samples = Dictionary(grouping: samples, by: \.name)
        var text = MetricText()
        for description in descriptions {
            let name = description.name
            let values = numbers[name] ?? []
            let (buckets, now) = (histograms[name] ?? [], samples[name] ?? [])
            if values.isEmpty, buckets.isEmpty, now.isEmpty { continue }
            text.begin(description)
            for (key, value) in values.sorted(by: { $0.key.labels < $1.key.labels }) {
                text.add(name, key.labels, value.current)
            }
            for (key, value) in buckets.sorted(by: { $0.key.labels < $1.key.labels }) {
                text.add(name, key.labels, value)
            }
            for sample in now {
                text.add(name, LabelText.join(sample.labels.map { ($0.name, $0.value) }), sample.value)
            }
        }
        return text.bytes
    }
}
