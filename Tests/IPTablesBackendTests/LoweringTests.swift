import DataplaneConformance
import DataplaneTestKit
import NetAddress
import ServiceModel
import ServicePlan
import Testing
import XTables

@testable import IPTablesBackend

/// The pure parts: names, chances, parts of lists.
@Suite struct LoweringTests {
    /// Vectors of FIPS 180-4's examples, and of the lengths around a block's end.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 55), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"
        ),
        (
            String(repeating: "a", count: 64), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"
        ),
    ])
    func hashesAsTheStandardSays(_ text: String, _ expected: String) {
        let hash = SHA256.hash(text).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(hash == expected)
    }

    /// The first 16 characters of base32 of the hash: what `printf web | sha256sum | xxd -r -p | base32` prints.
    @Test func namesAreStable() {
        #expect(ChainName.hash("abc") == "XJ4BNP4PAHH6UQKB")
        #expect(ChainName.name(.cluster, "abc") == "SVCCTL-SVC-XJ4BNP4PAHH6UQKB")
        #expect(ChainName.isGiven("SVCCTL-SVC-XJ4BNP4PAHH6UQKB"))
        #expect(ChainName.isGiven("SVCCTL-SERVICES-3F"))
        for name in ["SVCCTL-SVC", "SVCCTL-MINE", "SVCCTL-SERVICES-40", "SVCCTL-XYZ-XJ4BNP4PAHH6UQKB", "KUBE-SERVICES"]
        {
            #expect(!ChainName.isGiven(name), "\(name)")
        }
    }

    private static func chances(_ weights: [UInt16]) -> [Double] {
        let targets = weights.enumerated().map {
            Target(address: IPAddress(ipv4: UInt32($0.offset)), port: 80, weight: $0.element)
        }
        return Draw(targets: targets, transport: .tcp).rules().map { rule in
            for case .statistic(let probability) in rule.matches { return Double(probability) / 0x8000_0000 }
            return 1
        }
    }

    /// Semantics 56: each takes its share of what those before it leave, and the last one takes all that is left.
    @Test(arguments: [[1], [1, 1, 1], [1, 4], [65535, 1, 1, 300], [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]] as [[UInt16]])
    func chancesMakeShares(_ weights: [UInt16]) {
        var left = 1.0
        let sum = weights.reduce(0) { $0 + Double($1) }
        for (chance, weight) in zip(Self.chances(weights), weights) {
            #expect(abs(left * chance - Double(weight) / sum) < 1e-8)
            left *= 1 - chance
        }
        #expect(left == 0)
    }

    /// Even the smallest share of very many is one.
    @Test func nobodyHasNoChance() {
        let weights = Array(repeating: UInt16.max, count: 60_000) + [1, 1]
        #expect(Self.chances([1] + weights).allSatisfy { $0 > 0 })
    }

    @Test func addressesFallIntoParts() {
        #expect(SharedChain.part(of: "10.96.0.10") == 10)
        #expect(SharedChain.part(of: "10.96.0.255") == 63)
        #expect(SharedChain.part(of: "fd00::40") == 0)
        #expect(SharedChain.services.chainName(part: 10) == "SVCCTL-SERVICES-0A")
        #expect(SharedChain.nodePorts.chainName(part: 0) == "SVCCTL-NODEPORTS")
        #expect(SharedPlace(.nat, "SVCCTL-SERVICES-0A")?.list == .services)
        #expect(SharedPlace(.filter, "SVCCTL-SERVICES-0A")?.list == .refusedServices)
        #expect(SharedPlace(.nat, "SVCCTL-SERVICES")?.list == .serviceParts)
        #expect(SharedPlace(.nat, "SVCCTL-SERVICES-0a") == nil)
        #expect(SharedPlace(.nat, "SVCCTL-CLUSTER-IPS-00") == nil)
    }

    /// Every bit of an address may be set; the last ones tell the part of a list.
    @Test(arguments: [
        ("fd00:96::ffff:ffff:ffff:ffff", "SVCCTL-SERVICES-3F"), ("fd00:96::8000:0:0:1", "SVCCTL-SERVICES-01"),
        ("fd00:96::a8bb:ccff:fe00:7", "SVCCTL-SERVICES-07"), ("255.255.255.254", "SVCCTL-SERVICES-3E"),
    ])
    func longAddresses(_ text: String, _ chain: String) throws {
        let address = try #require(IPAddress(text))
        let endpoint: IPAddress = address.family == .ipv4 ? "10.244.1.2" : "fd00::4"
        let service = Service.test("web", clusterIPs: [address], endpoints: [endpoint])
        let block = CIDR(address)
        #expect(Desired(services: [service]).input(address.family).contains("-A \(chain) -d \(block) -p tcp"))
    }
}
