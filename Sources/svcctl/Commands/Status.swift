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

    @OptionGroup var backend: BackendOptions
    @OptionGroup var agent: AgentSocketOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let frontends: [FrontendStatus]?
        do {
            frontends = try backend.backend.status()
        } catch {
            throw fail(error)
        }
        let isText = output.output == .text
        // Without an agent the kernel's part is all there is.
        let agent = try? agent.client.get("/status?format=\(isText ? "text" : "json")")
        if isText {
            printBytes(agent?.body ?? [])
            printText(frontends)
        } else {
            printJSON(frontends, agent: agent?.body)
        }
    }

    /// The agent's own JSON is put in as it came; without an agent it is missing.
    private func printJSON(_ frontends: [FrontendStatus]?, agent: [UInt8]?) {
        let kernel: JSON = [
            "backend": frontends == nil ? nil : .string(backend.backend.rawValue),
            "frontends": .array((frontends ?? []).map(Self.json)),
        ]
        guard let agent else { return svcctl.printJSON(kernel) }
        var text: [UInt8] = []
        kernel.write(to: &text)
        text = Array(text.dropLast()) + ", \"agent\": ".utf8 + agent.filter { $0 != UInt8(ascii: "\n") } + "}\n".utf8
        printBytes(text)
    }

    private func printText(_ frontends: [FrontendStatus]?) {
        guard let frontends else {
            printBytes(Array("svcctl has no rules in this kernel\n".utf8))
            return
        }
        printBytes(Array("backend \(backend.backend.rawValue), \(frontends.count) frontends\n".utf8))
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
