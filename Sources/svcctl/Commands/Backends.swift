internal import Backends
internal import ArgumentParser
internal import Dataplane
internal import NFTables

struct BackendsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backends", abstract: "Print what each backend can do, with its bounds.",
        discussion: """
            Needs no privilege. A definition that asks for what a backend cannot do is refused by check, apply and diff \
            (exit code 65), or warned of where leaving it out harms nobody.
            """)

    @OptionGroup var output: OutputOptions

    func run() {
        let backends = BackendName.allCases.map { (name: $0.rawValue, capabilities: $0.capabilities) }
        switch output.output {
        case .text:
            for (index, backend) in backends.enumerated() {
                if index > 0 { printBytes([UInt8(ascii: "\n")]) }
                let rows = backend.capabilities.map { [$0.feature.rawValue, $0.support.rawValue, $0.note] }
                printTable([["BACKEND \(backend.name)", "", "NOTE"]] + rows)
            }
        case .json:
            printJSON([
                "backends": .array(
                    backends.map { backend -> JSON in
                        [
                            "name": .string(backend.name),
                            "capabilities": .array(backend.capabilities.map(Self.json)),
                        ]
                    })
            ])
        }
    }

    private static func json(_ capability: Capability) -> JSON {
        [
            "feature": .string(capability.feature.rawValue), "supported": .bool(capability.support == .yes),
            "note": .string(capability.note),
        ]
    }
}
