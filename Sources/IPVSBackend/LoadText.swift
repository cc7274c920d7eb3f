public import Dataplane
internal import IPSet
internal import IPVS
internal import Links
internal import NetAddress
public import ServicePlan
internal import XTables

/// What stock tools load to get what an empty node would get: what a dry run prints.
///
/// The outcome depends on the services alone, not on their order.
public struct LoadText: ~Copyable {
    /// The stock tools, in the order in which their inputs are loaded.
    public enum Tool: String, CaseIterable, Sendable {
        case ipset = "ipset restore"
        case iptables = "iptables-nft-restore --noflush"
        case ip6tables = "ip6tables-nft-restore --noflush"
        case ip = "ip -batch -"
        case ipvsadm = "ipvsadm -R"
    }

    private let backend: IPVSBackend
    private var elements: [SetID: [SetElement.Key: SetElement]] = [:]
    private var addresses: Set<IPAddress> = []
    private var servers: [VirtualServerID: VirtualServer] = [:]
    private var reals: [VirtualServerID: [RealServer]] = [:]

    public init(options: LayoutOptions) { backend = IPVSBackend(options: options) }

    /// Adds a service's objects.
    public mutating func add(_ service: PlannedService) {
        for (key, value) in backend.fragment(for: service).objects {
            switch (key, value) {
            case (.address(let address), _): addresses.insert(address)
            case (.element(let id, let element), .element(let mark, let name)):
                elements[id, default: [:]][element] = SetElement(element, mark: mark, comment: name)
            case (.virtualServer(let id), .virtualServer(let server)):
                // The node's addresses share what its own clients get at a node port.
                if servers.updateValue(server, forKey: id) != nil { reals[id] = [] }
            case (.realServer(let id, _), .realServer(let real)): reals[id, default: []].append(real)
            default: break
            }
        }
    }

    /// All inputs, each with a comment that names the tool that loads it.
    public func writeSections(to text: inout [UInt8]) {
        for tool in Tool.allCases {
            text += "# \(tool.rawValue)\n".utf8
            write(tool, to: &text)
        }
    }

    /// The input for one tool.
    public func write(_ tool: Tool, to text: inout [UInt8]) {
        switch tool {
        case .ipset: writeSets(to: &text)
        case .iptables: writeChains(.ipv4, to: &text)
        case .ip6tables: writeChains(.ipv6, to: &text)
        case .ip:
            LinkText.write(addingDummy: Layout.device, alias: Layout.deviceAlias, to: &text)
            for address in addresses.sorted() { LinkText.write(adding: address, to: Layout.device, to: &text) }
        case .ipvsadm:
            for (id, server) in servers.sorted(by: { $0.key < $1.key }) {
                text += "\(IPVSOperation.addVirtual(server))\n".utf8
                for real in (reals[id] ?? []).sorted(by: { $0.id < $1.id }) {
                    text += "\(IPVSOperation.addReal(real, to: id))\n".utf8
                }
            }
        }
    }

    private func writeSets(to text: inout [UInt8]) {
        for id in SetID.all { id.spec.write(to: &text) }
        for id in SetID.all {
            for (_, element) in (elements[id] ?? [:]).sorted(by: { $0.key < $1.key }) {
                element.write(adding: id.name, to: &text)
            }
        }
    }

    private func writeChains(_ family: IPFamily, to text: inout [UInt8]) {
        let chains = backend.layout.chains(family)
        for table in Layout.tables {
            var content = XTTableContent(table, family)
            content.chains = chains.filter { $0.table == table }.map { .init($0.name.rawValue, $0.rules) }
            for jump in Layout.jumps where jump.table == table { content.chains.append(.init(jump.base, [jump.rule])) }
            content.writeRestore(to: &text)
        }
    }
}
