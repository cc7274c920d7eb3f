internal import ArgumentParser
internal import Dataplane
internal import NFTables
internal import NFTablesBackend

struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove everything that svcctl owns in the kernel, of every backend, and nothing else.")

    @OptionGroup var output: OutputOptions

    func run() throws {
        let changes: ChangeSummary
        do {
            var backend = NFTablesBackend(options: LayoutOptions())
            changes = try backend.removeAll()
        } catch {
            throw fail(error)
        }
        switch output.output {
        case .text:
            let line = changes.isEmpty ? "nothing to remove" : "removed \(changes.removed) tables named svcctl"
            printBytes(Array("\(line)\n".utf8))
        case .json: printJSON(["removed": .number(changes.removed)])
        }
    }
}
