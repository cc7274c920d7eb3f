internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel

/// What is remembered of one client, as far as the suite can see: at all addresses of a service port together, or at one
/// of them where the backend keeps each to itself.
struct Seat: Hashable, Sendable {
    let client: String
    let service: ServiceName
    let port: String
    let family: IPFamily
    /// Nil where all addresses are one.
    let address: IPAddress?
}

extension Seat: CustomStringConvertible {
    var description: String {
        "\(client) at \(service.name) \(port) in \(family)\(address.map { ", \($0)" } ?? "")"
    }
}

extension Trial {
    /// One connection that is to be tried.
    struct Attempt: Sendable {
        let source: Source
        let destination: Destination
        var patience: Duration = .seconds(10)
    }

    /// Everything that clients can use of what was applied; node ports at the node's address towards the client.
    var destinations: [Destination] {
        Destination.all(of: state.services, nodePortsAt: [Lab.nodeAddresses.ipv4, Lab.nodeAddresses.ipv6])
    }

    /// Tries all at once. Every UDP client is a new one to connection tracking.
    func outcomes(of attempts: [Attempt]) throws -> [Outcome] {
        let byNamespace = Dictionary(grouping: attempts.indices) {
            ObjectIdentifier(attempts[$0].source.namespace)
        }.values.map { $0 }
        let found = try Client.probe(
            byNamespace.map { indices in
                ProbeBatch(from: attempts[indices[0]].source.namespace, indices.map { probe(for: attempts[$0]) })
            })
        var outcomes = Array(repeating: Outcome.timedOut, count: attempts.count)
        for (indices, found) in zip(byNamespace, found) {
            for (index, outcome) in zip(indices, found) { outcomes[index] = outcome }
        }
        self.attempts += attempts.count
        return outcomes
    }

    private func probe(for attempt: Attempt) -> Probe {
        let destination = attempt.destination
        return Probe(
            destination.address, port: destination.port, transport: destination.transport,
            source: attempt.source.boundAddress(destination.address.family),
            sourcePort: destination.transport == .udp ? freshPort() : nil, patience: attempt.patience)
    }

    /// The outcomes of every client at every destination, so often. Who is remembered for one address is tried at the
    /// next only when the answer of the first is there; all others at the same time.
    func answers(
        of clients: [Source], at destinations: [Destination], rounds: Int = 1
    ) throws -> [Seat: Set<String>] {
        var waves: [[Destination]] = []
        var depths: [Seat: Int] = [:]
        for destination in destinations {
            let port = seat("", at: destination, isShared: true)
            let depth = depths[port, default: 0]
            depths[port] = depth + 1
            if depth == waves.count { waves.append([]) }
            waves[depth].append(destination)
        }
        var answers: [Seat: Set<String>] = [:]
        for wave in Array(repeating: waves, count: rounds).joined() {
            let attempts = wave.flatMap { destination in
                clients.map { Attempt(source: $0, destination: destination) }
            }
            for (attempt, outcome) in zip(attempts, try outcomes(of: attempts)) {
                let seat = seat(attempt.source.name, at: attempt.destination)
                answers[seat, default: []].insert(outcome.server ?? "\(outcome)")
            }
        }
        return answers
    }

    /// The server that each client gets at every one of the destinations, however often it comes.
    func homes(of clients: [Source], at destinations: [Destination], rounds: Int = 2) throws -> [Seat: String] {
        let answers = try answers(of: clients, at: destinations, rounds: rounds)
        for (seat, servers) in answers {
            check(
                servers.count == 1 && servers.isSubset(of: ConformanceLab.servers),
                "\(seat) does not stay: \(servers.sorted())")
        }
        return answers.compactMapValues(\.first)
    }

    /// Says who is elsewhere than before.
    func compare(_ homes: [Seat: String], to before: [Seat: String], _ what: String) {
        for (seat, home) in homes where before[seat] != nil && before[seat] != home {
            check(false, "\(what): \(seat) went from \(before[seat] ?? "") to \(home)")
        }
    }

    /// Many clients have several homes.
    func checkSpread(_ homes: [Seat: String]) {
        let groups = Dictionary(grouping: homes) { "\($0.key.service.name) \($0.key.port) \($0.key.family)" }
        for (name, members) in groups {
            check(Set(members.map(\.value)).count > 1, "all clients of \(name) are at \(members[0].value)")
        }
    }

    func seat(_ client: String, at destination: Destination, isShared: Bool? = nil) -> Seat {
        let isShared = isShared ?? system.abilities.addressesAreOne
        return Seat(
            client: client, service: destination.service.name, port: destination.servicePort.name,
            family: destination.address.family, address: isShared ? nil : destination.address)
    }
}
