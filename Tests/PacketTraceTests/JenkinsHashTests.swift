import DataplaneTestKit
import NFTables
import NetAddress
import PacketTrace
import Testing

/// The hash is the kernel's, held against what the kernel computes for real packets.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct JenkinsHashTests {
    /// Sources of 4 and 16 bytes, and of 20 bytes with the port, which take different ways through the hash.
    @Test(arguments: IPFamily.allCases) func agreesWithTheKernel(_ family: IPFamily) throws {
        let namespace = try NetworkNamespace("hash")
        let (name, type) = (family.nftName, family == .ipv4 ? "ipv4_addr" : "ipv6_addr")
        let modulus = 1_000_003 as UInt32
        try namespace.nft(
            """
            table \(name) t {
                set alone { type \(type) . mark; flags dynamic; size 1000; }
                set pair { type \(type) . mark; flags dynamic; size 1000; }
                chain c {
                    type filter hook output priority 0;
                    meta l4proto != udp return
                    meta mark set jhash \(name) saddr mod \(modulus) seed 0x73766363
                    add @alone { \(name) saddr . meta mark }
                    meta mark set jhash \(name) saddr . udp dport mod \(modulus) seed 0x1
                    add @pair { \(name) saddr . meta mark }
                }
            }

            """)
        let sources = (1...40).map { number in
            family == .ipv4 ? "127.9.\(number * 5).\(number)" : "fd00:\(number)::\(number * 21)"
        }
        if family == .ipv6 { try namespace.ip(sources.map { "address add \($0)/128 dev lo nodad" }) }
        for source in sources {
            let source = try ip(source)
            // Nobody listens, so that the datagram is refused at once.
            _ = Client.probe(from: namespace, to: source, port: 9, transport: .udp, source: source)
        }
        let listing = try namespace.tool(["nft", "list", "table", name, "t"])
        var missing: [String] = []
        for source in sources {
            let source = try ip(source)
            let port: [UInt8] = [0, 9, 0, 0]
            for (bytes, seed) in [(source.networkBytes, Field.hashSeed), (source.networkBytes + port, 1)] {
                let slot = bytes.withUnsafeBytes { JenkinsHash.slot($0, seed: seed, modulus: modulus) }
                let digits = String(slot, radix: 16)
                let element = "\(source) . 0x" + String(repeating: "0", count: 8 - digits.count) + digits
                if !listing.contains(element) { missing.append(element) }
            }
        }
        #expect(missing.isEmpty)
    }
}
