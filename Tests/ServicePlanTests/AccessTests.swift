import NetAddress
import ServiceModel
import ServicePlan
import Testing

/// Who may use a service's addresses, and how much.
@Suite struct AccessTests {
    /// A service with every kind of address in both families.
    static func service(_ change: (inout Service) -> Void) -> Service {
        PlannerTests.service { service in
            service.clusterIPs.append(PlannerTests.ip("fd00:96::10"))
            service.externalIPs = [PlannerTests.ip("203.0.113.2"), PlannerTests.ip("2001:db8::2")]
            service.loadBalancerIPs = [PlannerTests.ip("203.0.113.1"), PlannerTests.ip("2001:db8::1")]
            change(&service)
        }
    }

    static func blocks(_ texts: [String]) -> [CIDR] { texts.compactMap { CIDR($0) } }

    struct Allow: Sendable, CustomTestStringConvertible {
        var name: String
        var allow: [String]
        var ranges: [String] = []
        /// By family: who may use the load balancer's address, and who the others.
        var ipv4: (balancer: [String]?, others: [String]?)
        var ipv6: (balancer: [String]?, others: [String]?)
        var testDescription: String { name }

        static let all = [
            Allow(name: "no list", allow: [], ipv4: (nil, nil), ipv6: (nil, nil)),
            Allow(
                name: "one family closes the other", allow: ["10.1.0.0/16", "10.0.0.0/8"],
                ipv4: (["10.0.0.0/8"], ["10.0.0.0/8"]), ipv6: ([], [])),
            Allow(name: "all of a family", allow: ["10.0.0.0/8", "0.0.0.0/0"], ipv4: (nil, nil), ipv6: ([], [])),
            Allow(
                name: "beside source ranges, the address itself (35)", allow: ["10.0.0.0/8", "fd00::/8"],
                ranges: ["10.1.0.0/16", "192.168.0.0/16", "fc00::/7"],
                ipv4: (["10.1.0.0/16", "203.0.113.1/32"], ["10.0.0.0/8"]),
                ipv6: (["2001:db8::1/128", "fd00::/8"], ["fd00::/8"])),
            Allow(
                name: "nothing in common but the address itself (35)", allow: ["10.0.0.0/8", "::/0"],
                ranges: ["192.168.0.0/16", "203.0.113.0/24", "2001:db8::/32"],
                ipv4: (["203.0.113.1/32"], ["10.0.0.0/8"]), ipv6: (["2001:db8::/32"], nil)),
            Allow(
                name: "ranges close what is allowed (4)", allow: ["10.0.0.0/8", "fd00::/8"], ranges: ["::/0"],
                ipv4: ([], ["10.0.0.0/8"]), ipv6: (["fd00::/8"], ["fd00::/8"])),
            Allow(
                name: "a closed family is closed to source ranges", allow: ["fd00::/8"],
                ranges: ["10.0.0.0/8", "fd00:1::/32"], ipv4: ([], []),
                ipv6: (["2001:db8::1/128", "fd00:1::/32"], ["fd00::/8"])),
        ]
    }

    /// Semantics 4, 9 and 35, with a list for all addresses beside that for load balancers' alone.
    @Test(arguments: Allow.all) func allowedSources(_ test: Allow) {
        let service = Self.service { service in
            service.allowedSources = Self.blocks(test.allow)
            service.loadBalancerSourceRanges = Self.blocks(test.ranges)
        }
        let frontends = PlannerTests.plan(service).frontends
        #expect(frontends.count == 8)
        for frontend in frontends {
            let expected = frontend.address.family == .ipv4 ? test.ipv4 : test.ipv6
            let isBalancer = if case .loadBalancerIP = frontend.address { true } else { false }
            #expect(
                frontend.allowedSources?.map(\.description) == (isBalancer ? expected.balancer : expected.others),
                "\(frontend.reference)")
            #expect(frontend.deniedSources.isEmpty)
        }
    }

    @Test func deniedSources() {
        let service = Self.service { service in
            service.deniedSources = Self.blocks(["10.1.0.0/16", "192.0.2.1/32", "10.0.0.0/8", "::/0", "fd00::/8"])
            service.allowedSources = Self.blocks(["10.0.0.0/8"])
        }
        for frontend in PlannerTests.plan(service).frontends {
            let expected = frontend.address.family == .ipv4 ? ["10.0.0.0/8", "192.0.2.1/32"] : ["::/0"]
            #expect(frontend.deniedSources.map(\.description) == expected, "\(frontend.reference)")
        }
    }

    /// Lists of small blocks that nest, meet or miss each other, against what single addresses say.
    @Test func whoIsInBothListsIsAllowed() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            func list() -> [CIDR] {
                (0..<Int.random(in: 1...6, using: &generator)).compactMap { _ in
                    CIDR(
                        IPAddress(ipv4: 0x0a00_0000 + .random(in: 0..<64, using: &generator)),
                        prefixLength: .random(in: 26...32, using: &generator))
                }
            }
            let (allow, ranges) = (list(), list())
            let service = Self.service { service in
                service.allowedSources = allow
                service.loadBalancerSourceRanges = ranges
            }
            let frontend = PlannerTests.plan(service).frontends.first {
                $0.address == .loadBalancerIP(PlannerTests.ip("203.0.113.1"))
            }
            let allowed = frontend?.allowedSources ?? []
            for number in 0..<UInt32(64) {
                let client = IPAddress(ipv4: 0x0a00_0000 + number)
                let isInBoth = allow.contains { $0.contains(client) } && ranges.contains { $0.contains(client) }
                #expect(
                    allowed.count { $0.contains(client) } == (isInBoth ? 1 : 0), "\(client) of \(allow) and \(ranges)")
            }
        }
    }

    @Test func everyFrontendCarriesTheLimits() {
        let limited = Self.service { service in
            service.maxConnections = 100
            service.newConnectionsPerSecond = RateLimit(perSecond: 5, burst: 10)
        }
        let expected = ConnectionLimits(maxConnections: 100, newConnections: RateLimit(perSecond: 5, burst: 10))
        #expect(PlannerTests.plan(limited).frontends.allSatisfy { $0.limits == expected })
        let perSource = Self.service { $0.maxConnectionsPerSource = 7 }
        #expect(
            PlannerTests.plan(perSource).frontends.allSatisfy {
                $0.limits == ConnectionLimits(maxConnectionsPerSource: 7)
            })
        #expect(PlannerTests.plan(Self.service { _ in }).frontends.allSatisfy { $0.limits == nil })
    }
}
