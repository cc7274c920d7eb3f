import CoreMetrics
import Metrics
import PrometheusText
import Testing

@Suite struct PrometheusTextTests {
    private static let descriptions = [
        MetricDescription("a_total", .counter, "With a \\ and\na line."),
        MetricDescription("b", .gauge, "A gauge."),
        MetricDescription("c_seconds", .histogram, "A histogram.", buckets: [0.1, 1]),
        MetricDescription("d", .gauge, "Known when asked."),
        MetricDescription("unused", .gauge, "Nothing was ever recorded."),
    ]

    @Test func everyKind() {
        let registry = PrometheusRegistry(Self.descriptions)
        Counter(label: "a_total", dimensions: [("x", "1")], factory: registry).increment(by: 3)
        Counter(label: "a_total", dimensions: [("x", "q\"\\\n")], factory: registry).increment()
        Counter(label: "a_total", dimensions: [("x", "1")], factory: registry).increment()
        Gauge(label: "b", factory: registry).record(1.5)
        let timer = Metrics.Timer(label: "c_seconds", factory: registry)
        for milliseconds in [50, 100, 500, 3000] as [Int64] { timer.recordNanoseconds(milliseconds * 1_000_000) }
        Counter(label: "not_described", factory: registry).increment()
        let text = registry.text(with: [MetricSample("d", 7, [("l", "v")])])
        #expect(
            String(decoding: text, as: UTF8.self) == #"""
                # HELP a_total With a \\ and\na line.
                # TYPE a_total counter
                a_total{x="1"} 4
                a_total{x="q\"\\\n"} 1
                # HELP b A gauge.
                # TYPE b gauge
                b 1.5
                # HELP c_seconds A histogram.
                # TYPE c_seconds histogram
                c_seconds_bucket{le="0.1"} 2
                c_seconds_bucket{le="1"} 3
                c_seconds_bucket{le="+Inf"} 4
                c_seconds_sum 3.65
                c_seconds_count 4
                # HELP d Known when asked.
                # TYPE d gauge
                d{l="v"} 7

                """#)
    }
}
