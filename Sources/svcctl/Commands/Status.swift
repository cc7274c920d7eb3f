internal import ArgumentParser
internal import Backends
internal import Dataplane
internal import NFTables
internal import NetAddress

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print how the agent stands, and what the kernel has now, service by service.",
        discussion: """
            Asks the agent of this node, if one runs, and reads the kernel, no definitions. Connections are counted since \
            the frontend was made.
            """)

    @Option(help: ArgumentHelp("Whose rules to read (default: those that there are).", valueName: "name"))
    var backend: BackendName?
    @OptionGroup var agent: AgentSocketOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let kernel: Kernel?
        do {
            kernel = try Self.read(backend.map { [$0] } ?? BackendName.allCases)
        } catch {
            throw fail(error)
        }
        let isText = output.output == .text
        // Without an agent the kernel's part is all there is.
        let agent = try? agent.client.get("/status?format=\(isText ? "text" : "json")")
        if isText {
            printBytes(agent?.body ?? [])
            printText(kernel)
        } else {
            printJSON(kernel, agent: agent?.body)
        }
    }

    private struct Kernel {
        let backend: BackendName
        let frontends: [FrontendStatus]
    }

    /// What the first of these backends that has rules has.
    private static func read(_ backends: [BackendName]) throws -> Kernel? {
        for backend in backends {
            if let frontends = try backend.status() { return Kernel(backend: backend, frontends: frontends) }
        }
        return nil
    }

    /// The agent's own JSON is put in as it came; without an agent it is missing.
    private func printJSON(_ kernel: Kernel?, agent: [UInt8]?) {
        let kernel: JSON = [
            "backend": kernel.map { .string($0.backend.rawValue) } ?? nil,
            "frontends": .array((kernel?.frontends ?? []).map(Self.json)),
        ]
        guard let agent else { return svcctl.printJSON(kernel) }
        var text: [UInt8] = []
        kernel.write(to: &text)
        text = Array(text.dropLast()) + ", \"agent\": ".utf8 + agent.filter { $0 != UInt8(ascii: "\n") } + "}\n".utf8
        printBytes(text)
    }

    private func printText(_ kernel: Kernel?) {
        guard let kernel else {
            printBytes(Array("svcctl has no rules in this kernel\n".utf8))
            return
        }
        let frontends = kernel.frontends
        printBytes(Array("backend \(kernel.backend.rawValue), \(frontends.count) frontends\n".utf8))
        guard !frontends.isEmpty else { return }
        let rows = frontends.map { frontend in
            [
                frontend.service, frontend.kind.rawValue, Self.address(frontend), frontend.state.rawValue,
                String(frontend.connections), String(frontend.drops), Self.endpoints(frontend),
            ]
        }
        printTable([["SERVICE", "KIND", "ADDRESS", "STATE", "CONNECTIONS", "DROPS", "ENDPOINTS"]] + rows)
    }

    private static func address(_ frontend: FrontendStatus) -> String {
        let port = "\(frontend.port)/\(frontend.transport.kubernetesName)"
        guard let address = frontend.address else { return "*:\(port) (\(frontend.family))" }
        return address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }

    private static func endpoints(_ frontend: FrontendStatus) -> String {
        let shown = frontend.endpoints.prefix(3).map(\.description).joined(separator: ", ")
        let more = frontend.endpoints.count - 3
        return shown.isEmpty ? "-" : more > 0 ? "\(shown), \(more) more" : shown
    }

    private static func json(_ frontend: FrontendStatus) -> JSON {
        [
            "service": .string(frontend.service), "kind": .string(frontend.kind.rawValue),
            "family": .string("\(frontend.family)"), "address": frontend.address.map { .string("\($0)") } ?? nil,
            "protocol": .string(frontend.transport.kubernetesName), "port": .number(Int(frontend.port)),
            "state": .string(frontend.state.rawValue),
            "connections": .number(Int(clamping: frontend.connections)),
            "drops": .number(Int(clamping: frontend.drops)),
            "endpoints": .array(
                frontend.endpoints.map { endpoint -> JSON in
                    ["address": .string("\(endpoint.address)"), "port": .number(Int(endpoint.port))]
                }),
        ]
    }
}
