internal import DataplaneTestKit
internal import NetAddress
internal import ServiceModel

/// One address, protocol and port that clients may use, and the service port that it stands for.
struct Destination: Sendable {
    enum Kind: String, Sendable {
        case clusterIP = "cluster IP"
        case loadBalancerIP = "load-balancer IP"
        case externalIP = "external IP"
        case nodePort = "node port"
    }

    let kind: Kind
    let address: IPAddress
    let port: UInt16
    let servicePort: ServicePort
    let service: Service

    var transport: TransportProtocol { servicePort.transport }

    private struct Claim: Hashable {
        let address: IPAddress
        let transport: TransportProtocol
        let port: UInt16
    }

    /// The destinations of all services, each with the service that it belongs to: of two services that claim one, the
    /// older, and of those that are as old, the first by name (semantics 8). An address of the node that a service has
    /// as its own goes before node ports (semantics 6).
    ///
    /// - Parameter nodePortsAt: the addresses of the node that are tried.
    static func all(of services: [Service], nodePortsAt nodeAddresses: [IPAddress]) -> [Destination] {
        var taken: Set<Claim> = []
        let byAge = services.sorted { left, right in
            // RFC 3339 in UTC sorts as text; a service whose age is not known comes after the others.
            let (a, b) = (left.creationTimestamp ?? "~", right.creationTimestamp ?? "~")
            return a != b ? a < b : left.name < right.name
        }
        let candidates = byAge.flatMap { service in
            service.ports.flatMap { Self.candidates(service, $0, nodeAddresses) }
        }
        return [candidates.filter { $0.kind != .nodePort }, candidates.filter { $0.kind == .nodePort }].joined()
            .filter { destination in
                let claim = Claim(
                    address: destination.address, transport: destination.transport, port: destination.port)
                return taken.insert(claim).inserted
            }
    }

    /// An address that a service has as a load balancer's counts as that, whatever else it is to it.
    private static func candidates(
        _ service: Service, _ port: ServicePort, _ nodeAddresses: [IPAddress]
    ) -> [Destination] {
        func make(_ kind: Kind, _ addresses: [IPAddress], _ number: UInt16) -> [Destination] {
            addresses.map { Destination(kind: kind, address: $0, port: number, servicePort: port, service: service) }
        }
        return make(.clusterIP, service.clusterIPs, port.port)
            + make(.loadBalancerIP, service.loadBalancerIPs, port.port)
            + make(.externalIP, service.externalIPs, port.port)
            + (port.nodePort.map { make(.nodePort, nodeAddresses, $0) } ?? [])
    }
}

extension Destination: CustomStringConvertible {
    var description: String { "\(kind.rawValue) \(address) port \(port)/\(transport) of \(service.name.name)" }
}
