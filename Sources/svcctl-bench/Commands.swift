internal import ArgumentParser
internal import Dataplane
internal import NFTablesBackend

/// Refuses to work where rules of ours are in use.
func requireEmptyNamespace() throws {
    var backend = NFTablesBackend(options: LayoutOptions())
    guard try backend.status() == nil else {
        throw ValidationError("svcctl has rules here; run this in a network namespace of its own (unshare --net)")
    }
}

func removeAll() throws {
    var backend = NFTablesBackend(options: LayoutOptions())
    _ = try backend.removeAll()
}

/// From an empty kernel, part by part, and the same bytes sent by a bare loop.
struct ApplyBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Apply FILE to an empty kernel, part by part.")

    @Argument var file: String
    @Option var runs = 5

    func run() throws {
        try requireEmptyNamespace()
        for _ in 0..<runs {
            var pipeline = Pipeline()
            var reconciliation = try pipeline.observed(pipeline.plans(file))
            _ = try pipeline.stopwatch.measure("apply") { () throws(BackendError) in try reconciliation.apply() }
            pipeline.stopwatch.reportTotal("total")
            try removeAll()

            try reconciliation.observe()
            var bare = Stopwatch()
            let bytes = bare.measure("encode") { reconciliation.backend.transaction(for: reconciliation.state) }
            print("bytes \(bytes.count)")
            let socket = try BareSocket()
            socket.reserve(bytes.count)
            try bare.measure("kernel") { () throws(BareSocket.Failure) in try socket.send(bytes) }
            try removeAll()
        }
    }
}

/// A file that differs in little from what is there, and one that does not differ.
struct ChangeBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "change", abstract: "With FILE applied, apply CHANGED and then FILE again, as new processes would."
    )

    @Argument var file: String
    @Argument var changed: String
    @Option var runs = 5

    func run() throws {
        try requireEmptyNamespace()
        var first = Pipeline()
        var reconciliation = try first.observed(first.plans(file))
        _ = try reconciliation.apply()
        print("--")
        for run in 0..<runs * 2 {
            var pipeline = Pipeline()
            var reconciliation = try pipeline.observed(pipeline.plans(run % 2 == 0 ? changed : file))
            let summary = try pipeline.stopwatch.measure("apply") { () throws(BackendError) in
                try reconciliation.apply()
            }
            pipeline.stopwatch.reportTotal("total")
            print("objects \(summary.added + summary.changed + summary.removed)")
        }
        try removeAll()
    }
}

/// A dry run, and its decoding alone.
struct DryRunBench: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "dry-run", abstract: "Render FILE as a dry run does.")

    @Argument var file: String
    @Option var runs = 5

    func run() throws {
        for _ in 0..<runs {
            var pipeline = Pipeline()
            let bytes = pipeline.render(try pipeline.plans(file))
            pipeline.stopwatch.reportTotal("total")
            print("bytes \(bytes)")
        }
    }
}
