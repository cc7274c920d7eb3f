internal import ArgumentParser
internal import Glibc
internal import NFTables

struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what the agent of this node has done and found lately.",
        discussion: "It keeps the last 1000 events. Exit code 66 if no agent answers.")

    @Flag(name: [.short, .long], help: "Go on with new ones as they come.")
    var follow = false

    @OptionGroup var agent: AgentSocketOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let format = output.output == .text ? "text" : "json"
        var after = 0
        repeat {
            do {
                let answer = try agent.client.get("/events?format=\(format)&after=\(after)")
                let last = answer.headers["x-last-event"].flatMap { Int($0) } ?? after
                if last != after || !follow { printBytes(answer.body) }
                after = last
            } catch {
                printError("svcctl: \(error)")
                throw error.isDenied ? ExitCode.notPermitted : ExitCode.unreadableInput
            }
            if follow { usleep(500_000) }
        } while follow
    }
}
