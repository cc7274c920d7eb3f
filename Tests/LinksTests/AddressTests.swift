import DataplaneTestKit
import Links
import NetAddress
import Netlink
import Testing

@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct AddressTests {
    @Test func addressesComeAndGo() throws {
        let namespace = try NetworkNamespace("links")
        let addresses = ["192.0.2.10", "2001:db8::10", "198.51.100.1"].compactMap { IPAddress($0) }
        try #require(addresses.count == 3)
        let loopback = Set(["127.0.0.1", "::1"].compactMap { IPAddress($0) })
        try namespace.run {
            var monitor = try AddressMonitor()
            var reader = try NodeAddressReader()
            #expect(try reader.addresses() == loopback)
            #expect(try !monitor.hasChanged())
            try namespace.ip([
                "addr add 192.0.2.10/24 dev lo", "addr add 2001:db8::10/64 dev lo nodad",
                // The own address of a link to a peer is the local one.
                "addr add 198.51.100.1 peer 198.51.100.2 dev lo",
            ])
            #expect(try monitor.hasChanged())
            #expect(try reader.addresses() == loopback.union(addresses))
            #expect(try !monitor.hasChanged())
            try namespace.ip(["addr del 2001:db8::10/64 dev lo"])
            #expect(try monitor.hasChanged())
            #expect(try !reader.addresses().contains(addresses[1]))
            // Other changes of links are none of its business.
            try namespace.ip(["link add name v0 type veth peer name v1"])
            #expect(try !monitor.hasChanged())
        }
    }
}
