/// Writes Prometheus' text format, version 0.0.4.
struct MetricText {
    private(set) var bytes: [UInt8] = []

    mutating func begin(_ description: MetricDescription) {
        let help = description.help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        line("# HELP \(description.name) \(help)")
        line("# TYPE \(description.name) \(description.kind.rawValue)")
    }

    mutating func add(_ name: String, _ labels: String, _ value: Double) {
        line(labels.isEmpty ? "\(name) \(Self.number(value))" : "\(name){\(labels)} \(Self.number(value))")
    }

    mutating func add(_ name: String, _ labels: String, _ histogram: HistogramValue) {
        let state = histogram.current
        let separator = labels.isEmpty ? "" : ","
        var total: UInt64 = 0
        for (bound, count) in zip(histogram.bounds + [.infinity], state.counts) {
            total += count
            line("\(name)_bucket{\(labels)\(separator)le=\"\(Self.number(bound))\"} \(total)")
        }
        add("\(name)_sum", labels, state.sum)
        add("\(name)_count", labels, Double(total))
    }

    private mutating func line(_ text: String) {
        bytes += text.utf8
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Whole numbers without a fraction, as counters are.
    private static func number(_ value: Double) -> String {
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if value.isNaN { return "NaN" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}

/// Labels as the text format has them.
enum LabelText {
    static func join(_ labels: [(String, String)]) -> String {
        labels.map { name, value in
            var text = name + "=\""
            for character in value.unicodeScalars {
                switch character {
                case "\\": text += "\\\\"
                case "\"": text += "\\\""
                case "\n": text += "\\n"
                default: text.unicodeScalars.append(character)
                }
            }
            return text + "\""
        }.joined(separator: ",")
    }
}
