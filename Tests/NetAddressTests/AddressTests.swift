import NetAddress
import Testing

@Suite struct AddressTests {
    @Test(arguments: [
        ("10.96.0.10", "10.96.0.10"), ("255.255.255.255", "255.255.255.255"), ("::", "::"), ("::1", "::1"),
        ("fd00:96::10", "fd00:96::10"), ("FD00:0:0:0:1:0:0:1", "fd00::1:0:0:1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("a:b::", "a:b::"),
    ])
    func readsAndPrints(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(networkBytes: address.networkBytes[...]) == address)
    }

    @Test(arguments: [
        "", ".", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.4 ", "1..2.3", ":", ":::", "1:2", "1::2::3",
        "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "12345::", "g::", "fe80::1%eth0", "[::1]", "::1.2.3",
        "1:2:3:4:5:6:7:1.2.3.4", "1:",
    ])
    func refuses(text: String) { #expect(IPAddress(text) == nil) }

    @Test(arguments: [
        ("10.1.2.3/8", "10.0.0.0/8", "10.255.255.255"), ("0.0.0.0/0", "0.0.0.0/0", "255.255.255.255"),
        ("192.0.2.7/32", "192.0.2.7/32", "192.0.2.7"),
        ("fd00:1:2::3/48", "fd00:1:2::/48", "fd00:1:2:ffff:ffff:ffff:ffff:ffff"),
        ("fd00::1/127", "fd00::/127", "fd00::1"), ("::/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ])
    func blocks(text: String, canonical: String, last: String) throws {
        let block = try #require(CIDR(text))
        #expect(block.description == canonical)
        #expect(block.lastAddress.description == last)
        #expect(block.contains(block.address) && block.contains(block.lastAddress))
    }

    @Test(arguments: [
        "", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "::/129", "10.0.0.0/8/8", "x/8", "10.0.0.0/+8",
    ])
    func refusesBlock(text: String) { #expect(CIDR(text) == nil) }

    @Test func ordersByFamilyThenNumber() throws {
        let sorted = ["2.0.0.0", "10.0.0.0", "::1", "fd00::1"].compactMap { IPAddress($0) }
        #expect(sorted.reversed().sorted() == sorted)
    }

    @Test func kinds() throws {
        func kind(_ text: String, _ property: KeyPath<IPAddress, Bool>) throws -> Bool {
            try #require(IPAddress(text))[keyPath: property]
        }
        #expect(try kind("127.1.2.3", \.isLoopback) && kind("::1", \.isLoopback) && !kind("128.0.0.1", \.isLoopback))
        #expect(
            try kind("169.254.9.9", \.isLinkLocal) && kind("febf::1", \.isLinkLocal) && !kind("fec0::1", \.isLinkLocal))
        #expect(
            try kind("224.0.0.1", \.isMulticast) && kind("ff02::1", \.isMulticast) && !kind("10.0.0.1", \.isMulticast))
        #expect(try kind("0.0.0.0", \.isUnspecified) && kind("::", \.isUnspecified) && !kind("::1", \.isUnspecified))
    }
}
