internal import ArgumentParser
internal import NetAddress

/// An IP address on the command line, in its usual form.
struct AddressArgument: ExpressibleByArgument {
    let text: String

    init?(argument: String) {
        guard let address = IPAddress(argument) else { return nil }
        text = address.description
    }
}

/// `NAME=NUMBER`, or `NUMBER` for a port without a name, on the command line.
struct PortArgument: ExpressibleByArgument {
    let text: String
    let name: String
    let number: Int

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let last = parts.last, let number = UInt16(last), number > 0 else { return nil }
        text = argument
        name = parts.count == 2 ? String(parts[0]) : ""
        self.number = Int(number)
    }
}

/// A duration on the command line: `500ms`, `30s`, `2m`, `1h`.
struct DurationArgument: ExpressibleByArgument {
    let duration: Duration

    init(seconds: Int) { duration = .seconds(seconds) }

    init?(argument: String) {
        let units: [(suffix: String, milliseconds: Int64)] = [
            ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000),
        ]
        guard let unit = units.first(where: { argument.hasSuffix($0.suffix) }),
            let number = Int64(argument.dropLast(unit.suffix.count)), (0...1_000_000_000).contains(number)
        else { return nil }
        duration = .milliseconds(number * unit.milliseconds)
    }

    var defaultValueDescription: String { "\(duration.components.seconds)s" }
}
