internal import ArgumentParser
internal import IPVS
internal import NetAddress
internal import Netlink

/// Writing virtual servers into an empty IPVS, reading them, and one change among them.
struct IPVSBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipvs", abstract: "Write and list virtual and real servers.",
        discussion: """
            Removed real servers slow the kernel down for minutes, so each run wants a network namespace of its own, \
            with `lo` up.
            """)

    @Option(help: "How many virtual servers.") var services = 1_000
    @Option(help: "How many real servers each has.") var reals = 10
    @Option(help: "About how many bytes go into one call; 1 sends each message alone.") var pieceBytes = 64 * 1024
    @Option(help: "How many single changes.") var changes = 100
    @Flag(help: "Only print the lines of ipvsadm -R.") var text = false

    func run() throws {
        let batch = additions()
        if text {
            for entry in batch.entries { print(entry.operation) }
            return
        }
        var socket = try IPVSSocket()
        guard try socket.virtualServers().isEmpty else {
            throw ValidationError("there are virtual servers here; run this in a network namespace of its own")
        }
        socket.pieceBytes = pieceBytes
        var stopwatch = Stopwatch()
        let refusals = try stopwatch.measure("write") { () throws(NetlinkError) in try socket.send(batch) }
        if let refusal = refusals.first { throw refusal }
        let servers = try stopwatch.measure("list-virtual") { () throws(NetlinkError) in try socket.virtualServers() }
        guard servers.count == services else { throw ValidationError("listed \(servers.count)") }
        let count = try stopwatch.measure("list-real") { () throws(NetlinkError) in
            var count = 0
            for server in servers { count += try socket.realServers(of: server.server.id).count }
            return count
        }
        guard count == services * reals else { throw ValidationError("listed \(count) real servers") }
        for number in 0..<changes {
            let id = servers[number % servers.count].server.id
            let change = batchOfOne(.changeReal(real(0, weight: UInt32(number % 100)), of: id))
            _ = try stopwatch.measure("change") { () throws(NetlinkError) in try socket.send(change) }
        }
    }

    private func additions() -> IPVSBatch {
        var batch = IPVSBatch()
        batch.reserveCapacity(services * (reals + 1))
        for number in 0..<services {
            let address = IPAddress(ipv4: 0x0a60_0000 &+ UInt32(truncatingIfNeeded: number))
            let server = VirtualServer(.address(address, .tcp, port: 80), scheduler: "rr")
            batch.add(server)
            for index in 0..<reals { batch.add(real(index, weight: 1), to: server.id) }
        }
        return batch
    }

    private func real(_ index: Int, weight: UInt32) -> RealServer {
        RealServer(IPAddress(ipv4: 0x0af4_0001 &+ UInt32(truncatingIfNeeded: index)), port: 8080, weight: weight)
    }

    private func batchOfOne(_ operation: IPVSOperation) -> IPVSBatch {
        var batch = IPVSBatch()
        batch.append(operation)
        return batch
    }
}
