internal import Dataplane
internal import Links
internal import NetAddress

// The interface that has the service addresses.

extension IPVSBackend {
    /// Our device, with its addresses; and notes those of the others.
    ///
    /// - Throws: if somebody else has a device of its name.
    mutating func readDevice() throws(BackendError) -> (device: Link?, addresses: Set<IPAddress>) {
        let (device, addresses, obstacle) = try findDevice()
        if let obstacle { throw obstacle }
        return (device, addresses)
    }

    /// The same, where somebody else's device is no reason to stop.
    mutating func findDevice() throws(BackendError)
        -> (device: Link?, addresses: Set<IPAddress>, obstacle: BackendError?)
    {
        let (all, found) = try callLinks { (socket) throws(LinkError) in
            (try socket.links(), try socket.addresses())
        }
        // One that a process ended upon before it was ready is made anew.
        let named = all.first { $0.name == Layout.device && !$0.isUnfinished }
        let obstacle = named.flatMap(Self.obstacle)
        let device = obstacle == nil ? named : nil
        // What kube-proxy has on its device passes to ours.
        let passing = Set(
            all.filter { $0.name == ServiceDevice.predecessor }.map(\.index) + (device.map { [$0.index] } ?? []))
        otherAddresses = Set(found.filter { !passing.contains($0.link) }.map(\.address))
        // The kernel gives each interface an address for its own link.
        let ours = found.filter { $0.link == device?.index && !$0.address.isLinkLocal }
        return (device, Set(ours.map(\.address)), obstacle)
    }

    /// Why a device is not ours, if it is not.
    private static func obstacle(_ device: Link) -> BackendError? {
        guard device.kind != "dummy" || device.alias != Layout.deviceAlias else { return nil }
        return BackendError(
            .foreign,
            "the interface \(device.name) is there, but was not made by svcctl (it is no dummy interface with the alias "
                + "`\(Layout.deviceAlias)`); remove it with `ip link delete \(device.name)` if nobody needs it")
    }

    mutating func addAddresses(_ changes: Changes) throws(BackendError) {
        let added = changes.addresses.added
        guard changes.addsDevice || !added.isEmpty else { return }
        let found = changes.addsDevice ? try readDevice().device : nil
        try callLinks { (socket) throws(LinkError) in
            var device = found
            if let found { device = try socket.setUp(found, alias: Layout.deviceAlias) }
            if device == nil, !changes.addsDevice { device = try socket.link(named: Layout.device) }
            let ready =
                if let device { device } else { try socket.addDummy(Layout.device, alias: Layout.deviceAlias) }
            if added.contains(where: { $0.family == .ipv6 }) { Self.enableIPv6(on: ready) }
            try socket.add(added, to: ready)
        }
    }

    /// A node may have IPv6 set off for all interfaces. Ours leads nowhere, so that it gives nobody IPv6 who has none; and
    /// without it, services that have both families could not be served at all. If it cannot be set, the addresses are
    /// refused, and that is told.
    private static func enableIPv6(on device: Link) {
        let name = "net/ipv6/conf/\(device.name)/disable_ipv6"
        guard let value = try? Sysctl.read(name), value != "0" else { return }
        try? Sysctl.write(name, "0")
    }

    mutating func remove(_ addresses: [IPAddress]) throws(BackendError) {
        try measure { (backend) throws(BackendError) in
            try backend.callLinks { (socket) throws(LinkError) in
                guard let device = try socket.link(named: Layout.device) else { return }
                try socket.remove(addresses, from: device)
            }
        }
    }
}
