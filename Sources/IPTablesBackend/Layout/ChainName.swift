internal import XTables

/// The names of our chains: of at most 28 characters, as iptables wants it, and none without our prefix.
enum ChainName {
    static let prefix = "SVCCTL-"

    /// The chains that are there whatever the services are.
    enum Fixed: String, CaseIterable {
        /// In `nat`: leads each address of a service to what serves it. In `filter`: refuses what nothing serves.
        case services = "SVCCTL-SERVICES"
        /// The same for node ports.
        case nodePorts = "SVCCTL-NODEPORTS"
        /// Marks what does not come from the cluster's pods.
        case outside = "SVCCTL-OUTSIDE"
        case postrouting = "SVCCTL-POSTROUTING"
        /// What base chains of `filter` ask about new connections.
        case filter = "SVCCTL-FILTER"
        /// Refuses ports of cluster IPs that no service defines.
        case clusterIPs = "SVCCTL-CLUSTER-IPS"
    }

    /// The kinds of chains that single services have.
    enum Kind: String {
        /// The endpoints of a service port.
        case cluster = "SVC"
        /// Those on this node.
        case local = "SVL"
        /// Those on this node, for clients that are remembered for one elsewhere.
        case localAgain = "SVA"
        /// What comes before the endpoints for a cluster IP.
        case inner = "INT"
        /// The same for all other addresses.
        case external = "EXT"
        /// Who may connect.
        case sources = "SRC"
        /// How much.
        case limits = "LIM"
        /// Who answers UDP. No rule leads there.
        case udp = "UDP"
    }

    /// `SVCCTL-SVC-` and 16 characters that stand for what the chain is for.
    static func name(_ kind: Kind, _ subject: String) -> String { prefix + kind.rawValue + "-" + hash(subject) }

    /// 16 characters, each of which stands for 5 bits (RFC 4648, section 6).
    static func hash(_ subject: String) -> String {
        let bytes = SHA256.hash(subject)
        let halves = [bytes[0..<5], bytes[5..<10]].map { $0.reduce(0 as UInt64) { $0 << 8 | UInt64($1) } }
        let characters = halves.flatMap { half in (0..<8).map { alphabet[Int(half >> (35 - 5 * UInt64($0)) & 31)] } }
        return String(decoding: characters, as: UTF8.self)
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
}
