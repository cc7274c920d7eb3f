internal import Agent
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

/// A duration on the command line, as the configuration has them: `500ms`, `30s`, `1h30m`.
struct DurationArgument: ExpressibleByArgument {
    let duration: Duration

    init(seconds: Int) { duration = .seconds(seconds) }

    init?(argument: String) {
        guard let duration = DurationText.parse(argument) else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String { DurationText.format(duration) }
}
