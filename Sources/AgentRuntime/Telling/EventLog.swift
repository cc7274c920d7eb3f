internal import ServiceSource

/// The last things that happened, for `svcctl events`.
struct EventLog: Sendable {
    enum Kind: String, Sendable {
        case started, ready, synchronized, failed, drift, source, finding, mended, refused, sysctl, addresses, reloaded
        case stopping, removed, node
    }

    struct Event: Sendable {
        /// Counts from 1 and never repeats in one process.
        var number: Int
        var time: Timestamp
        var kind: Kind
        var message: String
    }

    /// More than this is forgotten.
    static let limit = 1000

    private var events: [Event] = []
    private var next = 1

    mutating func add(_ kind: Kind, _ message: String, at time: Timestamp = .now) {
        events.append(Event(number: next, time: time, kind: kind, message: message))
        next += 1
        // Not one by one, since each time moves all.
        if events.count >= 2 * Self.limit { events.removeFirst(events.count - Self.limit) }
    }

    /// Those that came after the one with a number. A number that is still to come is one of an agent before this one, of
    /// whose events there are none: then all are new.
    func after(_ number: Int) -> ArraySlice<Event> {
        let recent = events.suffix(Self.limit)
        guard number < next else { return recent }
        return recent.drop { $0.number <= number }
    }
}
