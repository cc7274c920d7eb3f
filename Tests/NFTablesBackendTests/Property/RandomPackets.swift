import DataplaneConformance
import NFTables
import NetAddress
import PacketTrace
import ServiceModel
import ServicePlan

/// Draws packets that are likely to meet something of the plans.
struct RandomPackets {
    private let frontends: [Frontend]

    init(_ plans: ServicePlans) { frontends = plans.services.flatMap(\.frontends) }

    func packet(_ random: inout SplitMix64) -> Packet? {
        let frontend = frontends.isEmpty ? nil : random.pick(frontends)
        let family = frontend?.address.family ?? random.pick(IPFamily.allCases)
        let source = source(family, frontend, &random)
        var transport = frontend?.transport ?? random.pick(TransportProtocol.allCases)
        if random.chance(percent: 6) { transport = random.pick(TransportProtocol.allCases) }
        return Packet(
            from: source, to: destination(family, frontend, &random), transport: transport,
            origin: origin(source, &random))
    }

    private func destination(
        _ family: IPFamily, _ frontend: Frontend?, _ random: inout SplitMix64
    ) -> NFTables.SocketAddress {
        var address = frontend?.address.ip ?? random.pick(RandomWorld.node(family))
        var port = frontend?.port ?? random.pick(RandomWorld.nodePorts)
        if random.chance(percent: 8) { port = random.pick(RandomWorld.servicePorts + RandomWorld.nodePorts + [22]) }
        if random.chance(percent: 12) {
            let target = frontend.flatMap { targets($0).first }?.address
            let others =
                RandomWorld.clusterIPs(family) + RandomWorld.externalIPs(family) + RandomWorld.pods(family)
                + [RandomWorld.loopback(family)] + RandomWorld.outside(family)
            address = random.chance(percent: 30) ? target ?? random.pick(others) : random.pick(others)
        }
        return NFTables.SocketAddress(address, port)
    }

    private func source(_ family: IPFamily, _ frontend: Frontend?, _ random: inout SplitMix64) -> IPAddress {
        switch random.below(100) {
        case 0..<20: return random.pick(RandomWorld.node(family))
        case 20..<35: return random.pick(RandomWorld.pods(family))
        case 35..<38: return RandomWorld.loopback(family)
        case 38..<55:
            if let target = frontend.flatMap({ random.some(of: targets($0), atMost: 4).first }) {
                return target.address
            }
        case 55..<75:
            let blocks = (frontend?.allowedSources ?? []) + (frontend?.deniedSources ?? [])
            if !blocks.isEmpty { return border(random.pick(blocks), &random) }
        case 75..<78: if let own = frontend?.address.ip { return own }
        default: break
        }
        return random.pick(RandomWorld.outside(family))
    }

    private func targets(_ frontend: Frontend) -> [Target] {
        frontend.treatment.targets + (frontend.nodeTreatment?.targets ?? [])
    }

    /// The first and the last address of a block, and those just outside.
    private func border(_ block: CIDR, _ random: inout SplitMix64) -> IPAddress {
        switch random.below(4) {
        case 0: block.address
        case 1: block.lastAddress
        case 2: block.address.moved(-1)
        default: block.lastAddress.moved(1)
        }
    }

    private func origin(_ source: IPAddress, _ random: inout SplitMix64) -> Packet.Origin {
        let isOwn = source.isLoopback || RandomWorld.nodeAddresses.contains(source)
        return random.chance(percent: isOwn ? 85 : 4) ? .node : .interface(random.pick(RandomWorld.interfaceNames))
    }
}

extension IPAddress {
    /// The next address, or the one before, within the low 32 or 64 bits.
    fileprivate func moved(_ step: Int64) -> IPAddress {
        let number = low &+ UInt64(bitPattern: step)
        return family == .ipv4 ? IPAddress(ipv4: UInt32(truncatingIfNeeded: number)) : IPAddress(ipv6: high, number)
    }
}
