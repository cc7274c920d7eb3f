internal import Agent
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
            the frontend was made. IPVS counts packets and bytes too, and the connections of each endpoint (--endpoints).
            """)

    @Option(help: ArgumentHelp("Whose rules to read (default: those that there are).", valueName: "name"))
    var backend: BackendName?
    @Flag(help: "A line for each endpoint too, where the kernel counts for each: with --backend ipvs.")
    var endpoints = false
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
        printBytes(Array("backend \(kernel.backend.rawValue), \(counted(frontends.count, "frontend"))\n".utf8))
        guard !frontends.isEmpty else { return }
        // Bytes are there where the kernel counts them.
        let countsTraffic = frontends.contains { $0.traffic != nil }
        let rows = frontends.map { frontend in
            [
                frontend.service, frontend.kind.rawValue, Self.address(frontend), frontend.state.rawValue,
                String(frontend.connections), String(frontend.drops),
            ] + (countsTraffic ? TrafficText.columns(frontend.traffic) : []) + [Self.endpoints(frontend)]
        }
        printTable(
            [
                ["SERVICE", "KIND", "ADDRESS", "STATE", "CONNECTIONS", "DROPS"]
                    + (countsTraffic ? TrafficText.titles : []) + ["ENDPOINTS"]
            ] + rows)
        if endpoints { printEndpoints(frontends) }
    }

    private func printEndpoints(_ frontends: [FrontendStatus]) {
        var rows = [
            ["SERVICE", "ADDRESS", "ENDPOINT", "WEIGHT", "ACTIVE", "OTHERS", "CONNECTIONS"] + TrafficText.titles
        ]
        for frontend in frontends {
            for detail in frontend.endpointDetails {
                let row = [
                    frontend.service, Self.address(frontend), detail.endpoint.description,
                    detail.weight == 0 ? "leaving" : String(detail.weight), String(detail.activeConnections),
                    String(detail.inactiveConnections), String(detail.connections),
                ]
                rows.append(row + TrafficText.columns(detail.traffic))
            }
        }
        guard rows.count > 1 else { return }
        printBytes([UInt8(ascii: "\n")])
        printTable(rows)
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
        var members: [JSON.Member] = [
            JSON.Member("service", .string(frontend.service)), JSON.Member("kind", .string(frontend.kind.rawValue)),
            JSON.Member("family", .string("\(frontend.family)")),
            JSON.Member("address", frontend.address.map { .string("\($0)") } ?? nil),
            JSON.Member("protocol", .string(frontend.transport.kubernetesName)),
            JSON.Member("port", .number(Int(frontend.port))),
            JSON.Member("state", .string(frontend.state.rawValue)),
            JSON.Member("connections", .number(Int(clamping: frontend.connections))),
            JSON.Member("drops", .number(Int(clamping: frontend.drops))),
        ]
        // What only some kernels' parts count is there where it is counted.
        if let traffic = frontend.traffic { members.append(JSON.Member("traffic", TrafficText.json(traffic))) }
        let details = Dictionary(frontend.endpointDetails.map { ($0.endpoint, $0) }) { first, _ in first }
        let leaving = frontend.endpointDetails.filter { $0.weight == 0 }.map(\.endpoint)
        members.append(
            JSON.Member(
                "endpoints", .array((frontend.endpoints + leaving).map { json($0, details[$0]) })))
        return .object(members)
    }

    private static func json(_ endpoint: SocketEndpoint, _ detail: EndpointStatus?) -> JSON {
        let place = [
            JSON.Member("address", .string("\(endpoint.address)")), JSON.Member("port", .number(Int(endpoint.port))),
        ]
        return .object(place + (detail.map(TrafficText.members) ?? []))
    }
}
