internal import ArgumentParser
internal import EtcdSource
internal import Glibc
internal import ServiceModel
internal import ServiceSource

/// The way from a put in etcd to the update that an agent gets, in an etcd that has many services.
struct EtcdBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "etcd",
        abstract: "Write services to an empty etcd, read them as an agent does, and change single endpoints.")

    @Option(help: "The URL of an etcd, with a prefix that is used for nothing else.")
    var etcd: String
    @Option var services = 10_000
    @Option var endpoints = 10
    @Option var changes = 1000

    func run() async throws {
        let location = try EtcdLocation(etcd)
        let layout = KeyLayout(prefix: location.prefix)
        guard let member = location.members.first else { return }
        let connection = try EtcdConnection(member, EtcdCredentials(), EtcdTiming())
        for start in stride(from: 0, to: services, by: EtcdConnection.largestTransaction) {
            let end = min(start + EtcdConnection.largestTransaction, services)
            try await connection.write((start..<end).map { put($0, layout, change: 0) })
        }
        print("--")
        let before = Self.residentBytes
        let clock = ContinuousClock()
        var start = clock.now
        var updates = EtcdSource(location).updates().makeAsyncIterator()
        var seen = 0
        while seen < services, let update = await updates.next() { seen += update.changes.count }
        Self.report("list", clock.now - start)
        print("resident \(Self.residentBytes - before)")

        for change in 1...max(changes, 1) {
            // Changes that follow each other at once are joined; this is about single ones.
            try await Task.sleep(for: .milliseconds(5))
            start = clock.now
            try await connection.write([put(change * 7919 % services, layout, change: change)])
            let answered = clock.now
            while let update = await updates.next(), update.changes.isEmpty {}
            Self.report("put", answered - start)
            Self.report("noticed", clock.now - answered)
        }

        // All at once: how long until the last change is there, and how many updates it took.
        start = clock.now
        async let writing: Void = writeAll(connection, layout)
        var count = 0
        seen = 0
        while seen < services, let update = await updates.next() {
            seen += update.changes.count
            count += 1
        }
        try await writing
        Self.report("burst", clock.now - start)
        print("burst_updates \(count)")
        print("resident_at_the_end \(Self.residentBytes)")
        await connection.close()
    }

    private func writeAll(_ connection: EtcdConnection, _ layout: KeyLayout) async throws {
        for start in stride(from: 0, to: services, by: EtcdConnection.largestTransaction) {
            let end = min(start + EtcdConnection.largestTransaction, services)
            try await connection.write((start..<end).map { put($0, layout, change: changes + 1) })
        }
    }

    private func put(_ index: Int, _ layout: KeyLayout, change: Int) -> EtcdChange {
        let name = ServiceName(namespace: "bench", name: "service-\(index)")
        let addresses = (0..<endpoints).map { number in
            let host = number == 0 ? change : index * endpoints + number
            return #"{"address": "10.\#(number == 0 ? 200 : 100 + host >> 16).\#(host >> 8 & 255).\#(host & 255)"}"#
        }
        let text =
            #"{"name": "\#(name)", "clusterIPs": ["172.\#(16 + index >> 16).\#(index >> 8 & 255).\#(index & 255)"], "#
            + #""ports": [{"port": 80, "targetPort": 8080}], "endpoints": [\#(addresses.joined(separator: ", "))]}"#
        return .put(key: layout.service(name), value: Array(text.utf8))
    }

    private static func report(_ name: String, _ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        print("\(name) \(Double(seconds) * 1e6 + Double(attoseconds) / 1e12)")
    }

    /// What the process has in memory (proc(5)).
    private static var residentBytes: Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 100)
        guard fgets(&text, 100, file) != nil else { return 0 }
        let fields = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return (fields.dropFirst().first.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
