internal import Dataplane
internal import NFTables
internal import NetAddress

extension Changes {
    /// What the transaction did to the endpoints of UDP frontends. A set that is made anew tells nothing of what was in
    /// it; its endpoints all count as new, and are looked at.
    var udpChanges: UDPChanges {
        var changes = UDPChanges()
        for family in families {
            for (set, elements) in obsoleteElements.inOrder(family) where set.role.tellsServing {
                for (key, _) in elements {
                    if let frontend = UDPFrontend(key, of: set) { changes.departures.insert(frontend) }
                }
            }
            for (set, elements) in elements.inOrder(family) where set.role.tellsServing {
                for (key, _) in elements {
                    if let frontend = UDPFrontend(key, of: set) { changes.arrivals[frontend, default: 0] += 1 }
                }
            }
        }
        return changes
    }
}

extension SetID.Role {
    fileprivate var tellsServing: Bool { self == .udpServing || self == .udpNodePortServing }
}

extension UDPFrontend {
    /// From an element that stands for one endpoint of a frontend.
    fileprivate init?(_ key: ElementKey, of set: SetID) {
        let length = set.role == .udpNodePortServing ? 0 : set.family.addressLength
        let parts = key.withBytes { bytes -> (address: IPAddress?, port: UInt16)? in
            guard bytes.count == length + 8 + set.family.addressLength else { return nil }
            let address = IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
            return (address, UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: length, as: UInt16.self)))
        }
        guard let parts else { return nil }
        if let address = parts.address {
            self.init(address: address, port: parts.port)
        } else if length == 0 {
            self.init(nodePort: parts.port, family: set.family)
        } else {
            return nil
        }
    }
}
