internal import Agent
internal import Backends
internal import ArgumentParser
internal import Dataplane
internal import NFTables

struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove everything that svcctl owns in the kernel, of every backend, and nothing else.")

    @OptionGroup var output: OutputOptions

    func run() throws {
        var removed: [BackendName: Int] = [:]
        var failure: (any Error)?
        // One that cannot be removed keeps nobody from removing the others.
        for backend in BackendName.allCases {
            do {
                removed[backend] = try backend.removeAll().removed
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw fail(failure) }
        switch output.output {
        case .text:
            let parts = BackendName.allCases.compactMap { backend in
                removed[backend].flatMap { $0 == 0 ? nil : Self.text(backend, $0) }
            }
            let line = parts.isEmpty ? "nothing to remove" : "removed " + parts.joined(separator: " and ")
            printBytes(Array("\(line)\n".utf8))
        case .json: printJSON(["removed": .number(removed.values.reduce(0, +))])
        }
    }

    private static func text(_ backend: BackendName, _ count: Int) -> String {
        switch backend {
        case .nftables: "\(counted(count, "table")) named svcctl"
        case .iptables: "\(counted(count, "chain or jump", "chains and jumps")) of iptables"
        case .ipvs: counted(count, "object") + " of IPVS"
        }
    }
}
