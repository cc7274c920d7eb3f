import DataplaneTestKit
import IPSet
import NetAddress
import Testing

/// Elements of every type, as ipset prints them.
enum SetCases {
    static func address(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(ipv4: 0) }
    static func block(_ text: String) -> CIDR { CIDR(text) ?? CIDR(IPAddress(ipv4: 0)) }

    static let elements: [(SetElement.Key, String)] = [
        (.address(address("10.96.0.10")), "10.96.0.10"),
        (.address(address("fd00::a")), "fd00::a"),
        (.addressPort(address("10.96.0.10"), .tcp, 80), "10.96.0.10,tcp:80"),
        (.addressPort(address("10.96.0.10"), .udp, 53), "10.96.0.10,udp:53"),
        (.addressPort(address("10.96.0.10"), .sctp, 65535), "10.96.0.10,sctp:65535"),
        (.addressPort(address("fd00::a"), .tcp, 80), "fd00::a,tcp:80"),
        (.addressPortAddress(address("10.1.2.3"), .tcp, 80, address("10.1.2.3")), "10.1.2.3,tcp:80,10.1.2.3"),
        (.addressPortAddress(address("fd00::1"), .udp, 80, address("fd00::2")), "fd00::1,udp:80,fd00::2"),
        (.addressPortNetwork(address("10.1.2.3"), .tcp, 80, block("10.0.0.0/8")), "10.1.2.3,tcp:80,10.0.0.0/8"),
        (.addressPortNetwork(address("10.1.2.3"), .tcp, 80, block("0.0.0.0/1")), "10.1.2.3,tcp:80,0.0.0.0/1"),
        (.addressPortNetwork(address("10.1.2.3"), .tcp, 80, block("10.0.0.1/32")), "10.1.2.3,tcp:80,10.0.0.1"),
        (.addressPortNetwork(address("fd00::1"), .tcp, 80, block("fd00::/64")), "fd00::1,tcp:80,fd00::/64"),
        (.addressPortNetwork(address("fd00::1"), .tcp, 80, block("fd00::1/128")), "fd00::1,tcp:80,fd00::1"),
        (.network(block("10.0.0.0/8")), "10.0.0.0/8"),
        (.network(block("192.0.2.1/32")), "192.0.2.1"),
        (.network(block("fd00::/8")), "fd00::/8"),
        (.networkPort(block("10.0.0.0/8"), .tcp, 80), "10.0.0.0/8,tcp:80"),
        (.networkPort(block("fd00::/8"), .udp, 53), "fd00::/8,udp:53"),
        (.port(0), "0"), (.port(30080), "30080"), (.port(65535), "65535"),
    ]

    /// A set for each type and family, with its elements.
    static func content(withSkbInfo: Bool) -> [(SetSpec, [SetElement])] {
        var content: [(SetSpec, [SetElement])] = []
        for type in SetType.allCases {
            for family in IPFamily.allCases where type.isHash || family == .ipv4 {
                let spec = SetSpec(
                    "\(type.rawValue)-\(family.rawValue)", type, family, withSkbInfo: withSkbInfo,
                    withComments: withSkbInfo)
                let keys = elements.map(\.0).filter {
                    SetElement($0).type == type && SetElement($0).family ?? .ipv4 == family
                }
                let marks: [SetElement.Mark?] =
                    withSkbInfo
                    ? [SetElement.Mark(0x4000, mask: 0x4000), nil, SetElement.Mark(7), SetElement.Mark(0, mask: 1)]
                    : [nil]
                let comments = withSkbInfo ? ["shop/web:http cluster IP", nil] : [nil]
                content.append(
                    (
                        spec,
                        keys.enumerated().map { place, key in
                            SetElement(
                                key, mark: marks[place % marks.count], comment: comments[place % comments.count])
                        }
                    ))
            }
        }
        return content
    }
}

@Suite struct SetValueTests {
    @Test func elementsPrint() {
        for (key, text) in SetCases.elements { #expect(SetElement(key).text == text) }
        var text: [UInt8] = []
        let element = SetElement(.port(80), mark: .init(0x10, mask: 0xff))
        element.write(adding: "A", to: &text)
        element.write(deletingFrom: "A", to: &text)
        SetElement(.port(81), mark: .init(0x10)).write(adding: "A", to: &text)
        #expect(
            String(decoding: text, as: UTF8.self) == "add A 80 skbmark 0x10/0xff\ndel A 80\nadd A 81 skbmark 0x10\n")
    }

    @Test func setsPrint() {
        #expect(
            SetSpec("A", .hashIPPortNet, .ipv6, maxElements: 7, withSkbInfo: true).text
                == "create A hash:ip,port,net family inet6 hashsize 1024 maxelem 7 skbinfo")
        #expect(
            SetSpec("A", .hashIP, hashSize: 64, withCounters: true, timeout: 5).text
                == "create A hash:ip family inet hashsize 64 maxelem 65536 timeout 5 counters")
        #expect(
            SetSpec("A", .bitmapPort, .ipv6, maxElements: 7, hashSize: 1).text == "create A bitmap:port range 0-65535")
    }

    @Test func operationsPrint() {
        let element = SetElement(.port(80))
        let operations: [SetOperation] = [
            .create(SetSpec("A", .bitmapPort)), .add(element, to: "A"), .delete(element, from: "A"), .flush("A"),
            .swap("A", "B"), .rename("A", to: "C"), .destroy("C"),
        ]
        #expect(
            operations.map(\.text) == [
                "create A bitmap:port range 0-65535", "add A 80", "del A 80", "flush A", "swap A B", "rename A C",
                "destroy C",
            ])
    }

    @Test func modulesAreNamed() {
        #expect(
            SetType.allCases.map(\.module) == [
                "ip_set_hash_ip", "ip_set_hash_ipport", "ip_set_hash_ipportip", "ip_set_hash_ipportnet",
                "ip_set_hash_net", "ip_set_hash_netport", "ip_set_bitmap_port",
            ])
    }

    @Test func elementsHaveAnOrder() {
        let elements = SetCases.elements.map { SetElement($0.0) }
        let sorted = elements.shuffled().sorted()
        #expect(sorted == elements.shuffled().sorted())
        for (left, right) in zip(sorted, sorted.dropFirst()) { #expect(left < right && !(right < left)) }
        #expect(SetElement(.port(1)) < SetElement(.port(1), mark: .init(1)))
    }

    @Test func problemsAreFound() {
        let address = SetCases.address("10.0.0.1")
        let problematic: [SetElement.Key] = [
            .network(SetCases.block("0.0.0.0/0")), .network(SetCases.block("::/0")),
            .networkPort(SetCases.block("0.0.0.0/0"), .tcp, 80),
            .addressPortNetwork(address, .tcp, 80, SetCases.block("0.0.0.0/0")),
            .addressPortNetwork(address, .tcp, 80, SetCases.block("fd00::/8")),
            .addressPortAddress(address, .tcp, 80, SetCases.address("fd00::1")), .address(SetCases.address("0.0.0.0")),
        ]
        for key in problematic { #expect(SetElement(key).problem != nil, "\(key)") }
        for (key, text) in SetCases.elements { #expect(SetElement(key).problem == nil, "\(text)") }
        for name in ["", String(repeating: "x", count: 32), "a b", "a\n"] {
            #expect(SetSpec(name, .hashIP).problem != nil, "\(name)")
        }
        #expect(SetSpec(String(repeating: "x", count: 31), .hashIP).problem == nil)
        #expect(SetSpec("A", .hashIP, maxElements: 0).problem != nil)
        #expect(SetSpec("A", .hashIP, timeout: 0).problem != nil)
    }

    @Test func largerSetsFit() {
        let wanted = SetSpec("A", .hashIP, maxElements: 100)
        #expect(SetSpec("A", .hashIP, maxElements: 200, hashSize: 4096).fits(wanted))
        #expect(!SetSpec("A", .hashIP, maxElements: 99).fits(wanted))
        #expect(!SetSpec("A", .hashIP, .ipv6, maxElements: 100).fits(wanted))
        #expect(!SetSpec("A", .hashIP, maxElements: 100, withSkbInfo: true).fits(wanted))
    }
}
