internal import NetAddress
internal import XTables

/// A list of rules in which order means nothing, since no packet matches two of them: services add and delete single
/// rules. They come before the chain's own rules, which its mark begins.
enum SharedChain: UInt8, Hashable, Sendable, CaseIterable {
    /// Leads each address and port to what serves it.
    case services
    case nodePorts
    /// Refuses or drops what came to an address and port in vain.
    case refusedServices
    case refusedNodePorts
    /// Refuses ports of cluster IPs that no service defines.
    case clusterIPs
    /// Lead to the parts of those lists that are split.
    case serviceParts
    case refusedServiceParts
    case clusterIPParts

    var table: XTTable {
        switch self {
        case .services, .nodePorts, .serviceParts: .nat
        case .refusedServices, .refusedNodePorts, .clusterIPs, .refusedServiceParts, .clusterIPParts: .filter
        }
    }

    /// The name of the chain, or what those of its parts begin with.
    var name: ChainName.Fixed {
        switch self {
        case .services, .refusedServices, .serviceParts, .refusedServiceParts: .services
        case .nodePorts, .refusedNodePorts: .nodePorts
        case .clusterIPs, .clusterIPParts: .clusterIPs
        }
    }

    /// The list that leads to the parts of this one, if it is split: a packet that is none of a service's must pass a
    /// chain's rules one by one, and there may be ten thousand.
    var parts: SharedChain? {
        switch self {
        case .services: .serviceParts
        case .refusedServices: .refusedServiceParts
        case .clusterIPs: .clusterIPParts
        case .nodePorts, .refusedNodePorts, .serviceParts, .refusedServiceParts, .clusterIPParts: nil
        }
    }

    /// The parts are told apart by the last bits of the address, which differ however addresses are allocated.
    static let partBits = 6
    static let partCount = 1 << partBits

    /// The part that an address is in.
    static func part(of address: IPAddress?) -> Int {
        Int(truncatingIfNeeded: address?.low ?? 0) & (partCount - 1)
    }

    /// `SVCCTL-SERVICES`, or of a part `SVCCTL-SERVICES-0A`.
    func chainName(part: Int) -> String {
        guard parts != nil else { return name.rawValue }
        let digits = String(part, radix: 16, uppercase: true)
        return "\(name.rawValue)-\(digits.utf8.count < 2 ? "0" : "")\(digits)"
    }
}

/// One chain of such rules.
struct SharedPlace: Hashable, Sendable {
    let list: SharedChain
    /// 0 unless the list is split.
    let part: Int

    /// The place of a chain; nil if it is none of these.
    init?(_ table: XTTable, _ name: String) {
        guard let place = Self.all[table]?[name] else { return nil }
        self = place
    }

    private init(_ list: SharedChain, part: Int) {
        self.list = list
        self.part = part
    }

    private static let all: [XTTable: [String: SharedPlace]] = {
        var all: [XTTable: [String: SharedPlace]] = [:]
        for list in SharedChain.allCases {
            for part in 0..<(list.parts == nil ? 1 : SharedChain.partCount) {
                all[list.table, default: [:]][list.chainName(part: part)] = SharedPlace(list, part: part)
            }
        }
        return all
    }()
}
