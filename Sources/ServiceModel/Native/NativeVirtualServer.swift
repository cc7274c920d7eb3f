import NetAddress

// What only IPVS can do. Kubernetes has no fields for these.

extension ValueReader {
    /// - Parameter service: with its ports and its scheduler.
    func virtualServerSettings(_ nodes: NativeServiceNodes, of service: Service) -> VirtualServerSettings {
        var settings = VirtualServerSettings()
        if let node = nodes.schedulerFlags { settings.schedulerFlags = schedulerFlags(node, of: service.scheduler) }
        if let node = nodes.onePacket, let isOnePacket = bool(node) {
            settings.isOnePacket = isOnePacket
            if isOnePacket, service.ports.contains(where: { $0.transport != .udp }) {
                fail(node, "only UDP can be scheduled packet by packet, and a port of this service is not UDP")
            }
        }
        if let node = nodes.forwardingMethod {
            settings.forwardingMethod = choice(node, of: ForwardingMethod.self) ?? .masquerade
        }
        return settings
    }

    private func schedulerFlags(_ list: NodeID, of scheduler: Scheduler) -> SchedulerFlags {
        guard isList(list) else { return [] }
        var flags: SchedulerFlags = []
        for element in tree.elements(of: list) {
            switch choice(element, of: SchedulerFlagName.self) {
            case .fallback: flags.insert(.fallback)
            case .port: flags.insert(.port)
            case nil: break
            }
        }
        if !flags.isEmpty, ![.sh, .mh, .sourceHash, .maglev].contains(scheduler) {
            fail(list, "the schedulers \"sh\" and \"mh\" have flags, \(scheduler.rawValue.quoted) has none")
        }
        return flags
    }
}
