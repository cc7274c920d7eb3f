internal import DataplaneTestKit
internal import NetAddress

/// Asks real packets whether everybody gets what is expected.
///
/// Everything is tried at once: from all namespaces, hundreds of sockets in each. Where several servers may answer,
/// each must have done so in the end, so what was not seen is tried again.
struct Examination {
    /// One source, one destination, and what should become of a connection between them.
    struct Cell: Sendable {
        let source: Source
        let address: IPAddress
        let port: UInt16
        let transport: TransportProtocol
        /// For messages.
        let destination: String
        let expected: Expectation
    }

    private let cells: [Cell]
    /// The servers that were seen, by the destination and those that may answer there.
    private var seen: [Group: Set<String>] = [:]
    /// How many attempts were judged.
    private(set) var attempts = 0
    private(set) var mismatches: [String] = []

    /// Sources that may meet the same servers at one destination see them all together, not each alone.
    private struct Group: Hashable {
        let address: IPAddress
        let port: UInt16
        let transport: TransportProtocol
        let servers: Set<String>

        init(_ cell: Cell) {
            address = cell.address
            port = cell.port
            transport = cell.transport
            servers = cell.expected.servers
        }

        var isDecidedByOne: Bool { servers.count < 2 }
    }

    init(_ cells: [Cell]) { self.cells = cells }

    /// Tries every cell once, and then again those whose servers were not all seen: with three servers, one that should
    /// answer stays unseen by bad luck in less than one of 10^15 cases.
    mutating func run(thoroughly: Bool = true) throws {
        try tryOnce(cells)
        guard thoroughly else { return }
        for _ in 0..<40 {
            let open = cells.filter { isUndecided($0) }
            if open.isEmpty || !mismatches.isEmpty { return }
            // Whose turns are shared must not come in step with them.
            try tryOnce((open + open).shuffled())
        }
        for group in Set(cells.filter { isUndecided($0) }.map(Group.init)) {
            let unseen = group.servers.subtracting(seen[group] ?? []).sorted()
            mismatches.append("\(group.address) port \(group.port)/\(group.transport): never reached \(unseen)")
        }
    }

    private func isUndecided(_ cell: Cell) -> Bool {
        let group = Group(cell)
        return !group.isDecidedByOne && seen[group] != group.servers
    }

    private mutating func tryOnce(_ cells: [Cell]) throws {
        let bySource = Dictionary(grouping: cells) { $0.source.name }.values.map { $0 }
        let outcomes = try Client.probe(
            bySource.map { cells in
                ProbeBatch(
                    from: cells[0].source.namespace,
                    cells.map {
                        Probe(
                            $0.address, port: $0.port, transport: $0.transport, patience: $0.expected.patience)
                    })
            })
        for (cells, outcomes) in zip(bySource, outcomes) {
            for (cell, outcome) in zip(cells, outcomes) { judge(cell, outcome) }
        }
    }

    private mutating func judge(_ cell: Cell, _ outcome: Outcome) {
        attempts += 1
        let isOwnDatagram = cell.source.isNode && cell.transport == .udp
        if !cell.expected.matches(outcome, isOwnDatagram: isOwnDatagram) {
            mismatches.append("from \(cell.source.name) to \(cell.destination): expected \(cell.expected), \(outcome)")
        } else if let server = outcome.server {
            seen[Group(cell), default: []].insert(server)
        }
    }
}
