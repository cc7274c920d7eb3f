/// Durations as Go and systemd write them: `10ms`, `30s`, `1h30m`, `5min`, `1d`.
public enum DurationText {
    /// The units, largest first, in nanoseconds.
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000),
        ("ns", 1),
    ]

    /// What else systemd takes (systemd.time(7)), and both ways to write the micro sign. Months and years have no fixed
    /// length, and are not among them.
    private static let otherNames: [String: Int64] = {
        let names: [(Int64, [String])] = [
            (1000, ["µs", "μs", "usec"]), (1_000_000, ["msec"]), (1_000_000_000, ["sec", "second", "seconds"]),
            (60_000_000_000, ["min", "minute", "minutes"]), (3_600_000_000_000, ["hr", "hour", "hours"]),
            (86_400_000_000_000, ["d", "day", "days"]), (604_800_000_000_000, ["w", "week", "weeks"]),
        ]
        return Dictionary(uniqueKeysWithValues: names.flatMap { length, names in names.map { ($0, length) } })
    }()

    /// Nil for anything else, negative and overlong durations among it. `0` needs no unit; each number may have a
    /// fraction.
    public static func parse(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        var rest = Substring(text).filter { $0 != " " }[...]
        guard !rest.isEmpty else { return nil }
        var total: Int64 = 0
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            rest = rest.dropFirst(number.count)
            let name = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(name.count)
            let unit = units.first { $0.name == name }?.nanoseconds ?? otherNames[String(name)]
            guard let unit, let nanoseconds = nanoseconds(number, unit) else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(nanoseconds)
            guard !overflow else { return nil }
            total = sum
        }
        return .nanoseconds(total)
    }

    private static func nanoseconds(_ text: Substring, _ unit: Int64) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let whole = Int64(parts[0]) else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return product }
        guard let fraction = Double("0.\(parts[1])"), !parts[1].isEmpty else { return nil }
        let (sum, carry) = product.addingReportingOverflow(Int64(fraction * Double(unit)))
        return carry ? nil : sum
    }

    /// The shortest such text: `1h`, `1m30s`, `10ms`.
    public static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return "\(seconds)s" }
        var rest = scaled + attoseconds / 1_000_000_000
        guard rest > 0 else { return "0s" }
        var text = ""
        for (name, nanoseconds) in units where rest >= nanoseconds {
            text += "\(rest / nanoseconds)\(name)"
            rest %= nanoseconds
        }
        return text
    }
}
