import DataplaneTestKit
import Links
import NetAddress
import Netlink
import Testing

@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct LinkSocketTests {
    @Test func linksAreListed() throws {
        let namespace = try NetworkNamespace("links")
        try namespace.ip([
            "link add name v0 type veth peer name v1", "link set v0 alias \"svcctl: a text\"", "link set v0 up arp off",
        ])
        try namespace.run {
            var socket = try LinkSocket()
            let links = try socket.links()
            #expect(links.map(\.name) == ["lo", "v1", "v0"] || links.map(\.name) == ["lo", "v0", "v1"])
            let link = try #require(try socket.link(named: "v0"))
            #expect(link.kind == "veth" && link.alias == "svcctl: a text")
            #expect(link.flags.isSuperset(of: [.up, .noARP]) && !link.flags.contains(.loopback))
            #expect(links.first { $0.index == link.index } == link)
            #expect(links.first?.flags.contains(.loopback) == true && links.first?.alias == nil)
            #expect(try socket.link(named: "absent") == nil)
            #expect(try socket.link(named: "a/b") == nil)
        }
    }

    @Test func linksAreRemoved() throws {
        let namespace = try NetworkNamespace("links")
        try namespace.ip(["link add name v0 type veth peer name v1"])
        try namespace.run {
            var socket = try LinkSocket()
            let link = try #require(try socket.link(named: "v0"))
            try socket.remove(link)
            #expect(try socket.link(named: "v0") == nil)
            #expect(throws: LinkError(.linkAbsent, "link v0")) { try socket.remove(link) }
        }
    }

    /// Thousands of addresses come and go; what is there or gone already is no error, and each refusal has its address.
    @Test func addressesInBatches() throws {
        let namespace = try NetworkNamespace("links")
        try namespace.ip(["link add name v0 type veth peer name v1", "link set v0 up"])
        let ipv4 = (0..<1000).map { IPAddress(ipv4: 0x0a60_0000 + $0) }
        let ipv6 = (0..<500).map { IPAddress(ipv6: 0xfd00_0000_0000_0000, $0 + 1) }
        try namespace.run {
            var socket = try LinkSocket()
            let link = try #require(try socket.link(named: "v0"))
            #expect(try socket.add(ipv4 + ipv6, to: link) == 1500)
            #expect(try socket.add(ipv4 + ipv6, to: link) == 0)
            let found = try socket.addresses().filter { $0.link == link.index && !$0.address.isLinkLocal }
            #expect(
                found
                    == (ipv4 + ipv6).map {
                        LinkAddress($0, prefixLength: $0.family.addressBits, link: link.index)
                    })
            let leaving = ipv4.dropFirst(10) + ipv6
            #expect(try socket.remove(Array(leaving), from: link) == 1490)
            #expect(try socket.remove(Array(leaving), from: link) == 0)
            #expect(
                try socket.addresses().filter { $0.link == link.index && !$0.address.isLinkLocal }.map(\.address)
                    == Array(ipv4.prefix(10)))
            #expect(try socket.add([], to: link) == 0)
        }
        // No duplicate detection: they are good at once.
        let tentative = try namespace.tool(["ip", "-6", "address", "show", "dev", "v0", "tentative"])
        #expect(!tentative.contains("fd00"))
    }

    @Test func refusalsNameTheAddress() throws {
        let namespace = try NetworkNamespace("links")
        try namespace.run {
            var socket = try LinkSocket()
            let addresses = [IPAddress(ipv4: 0x0a60_0001), IPAddress(ipv6: 0xff02_0000_0000_0000, 1)]
            let loopback = try #require(try socket.link(named: "lo"))
            do {
                try socket.add(addresses + [IPAddress(ipv4: 0x0a60_0002)], to: loopback)
                Issue.record("the kernel took a multicast address")
            } catch let error as LinkError {
                #expect(error.place == "address ff02::1 of lo", "\(error)")
            }
            #expect(try socket.addresses().map(\.address).contains(IPAddress(ipv4: 0x0a60_0002)))
            let gone = Link(index: 4711, name: "gone")
            #expect(throws: LinkError(.linkAbsent, "address 10.96.0.1 of gone")) {
                try socket.add(addresses, to: gone)
            }
        }
    }

    /// `ip -batch` does the same.
    @Test func textsLoad() throws {
        let addresses = [IPAddress(ipv4: 0x0a60_0001), IPAddress(ipv6: 0xfd00_0000_0000_0000, 1)]
        var text: [UInt8] = []
        for address in addresses { LinkText.write(adding: address, to: "v0", to: &text) }
        let theirs = try Self.addresses { namespace in
            try namespace.tool(["ip", "-batch", "-"], input: String(decoding: text, as: UTF8.self))
        }
        let ours = try Self.addresses { namespace in
            try namespace.run {
                var socket = try LinkSocket()
                let link = try #require(try socket.link(named: "v0"))
                try socket.add(addresses, to: link)
            }
        }
        #expect(theirs == ours)
        let gone = try Self.addresses { namespace in
            for address in addresses { LinkText.write(removing: address, from: "v0", to: &text) }
            try namespace.tool(["ip", "-batch", "-"], input: String(decoding: text, as: UTF8.self))
        }
        #expect(!gone.contains("10.96.0.1") && !gone.contains("fd00"))
    }

    /// What `ip` shows of a link after a change, without what differs each time.
    private static func addresses(_ change: (NetworkNamespace) throws -> Void) throws -> String {
        let namespace = try NetworkNamespace("links")
        try namespace.ip(["link add name v0 type veth peer name v1"])
        try change(namespace)
        return try namespace.tool(["ip", "-o", "address", "show", "dev", "v0"])
    }
}

/// Where the kernel has dummy links: not on every machine.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct DummyTests {
    static let isPossible = (try? NetworkNamespace("dummy").ip(["link add d0 type dummy"])) != nil

    @Test(.enabled(if: isPossible, "this kernel has no module dummy")) func dummiesComeMarked() throws {
        let namespace = try NetworkNamespace("dummy")
        try namespace.run {
            var socket = try LinkSocket()
            let link = try socket.addDummy("svcctl0", alias: "svcctl: it's ours")
            #expect(link.flags.isSuperset(of: [.up, .noARP]))
            let found = try #require(try socket.link(named: "svcctl0"))
            #expect(found.index == link.index && found.alias == "svcctl: it's ours" && found.kind == "dummy")
            #expect(found.flags.isSuperset(of: [.up, .noARP]))
            #expect(throws: LinkError(.linkPresent, "link svcctl0")) { try socket.addDummy("svcctl0", alias: "x") }
            #expect(try socket.link(named: "svcctl0") == found)
            try socket.remove(link)
            // What a process left that was ended halfway is taken over; what somebody has set up is not.
            try namespace.ip(["link add svcctl0 type dummy"])
            #expect(try socket.addDummy("svcctl0", alias: "ours").alias == "ours")
            try namespace.ip(["link add theirs type dummy", "link set theirs up"])
            #expect(throws: LinkError(.linkPresent, "link theirs")) { try socket.addDummy("theirs", alias: "x") }
            #expect(try socket.link(named: "theirs")?.alias == nil)
        }
    }

    @Test(.enabled(if: isPossible, "this kernel has no module dummy")) func textsLoad() throws {
        let namespace = try NetworkNamespace("dummy")
        var text: [UInt8] = []
        LinkText.write(addingDummy: "svcctl0", alias: "svcctl: it's \"ours\"", to: &text)
        try namespace.tool(["ip", "-batch", "-"], input: String(decoding: text, as: UTF8.self))
        try namespace.run {
            var socket = try LinkSocket()
            let link = try #require(try socket.link(named: "svcctl0"))
            #expect(link.alias == "svcctl: it's ours" && link.flags.isSuperset(of: [.up, .noARP]))
        }
        text = []
        LinkText.write(removing: "svcctl0", to: &text)
        try namespace.tool(["ip", "-batch", "-"], input: String(decoding: text, as: UTF8.self))
        try namespace.run {
            var socket = try LinkSocket()
            #expect(try socket.link(named: "svcctl0") == nil)
        }
    }

    @Test(.disabled(if: isPossible, "this kernel has the module dummy")) func absenceIsNamed() throws {
        try NetworkNamespace("dummy").run {
            var socket = try LinkSocket()
            #expect(throws: LinkError(.missingModule("dummy"), "link svcctl0")) {
                try socket.addDummy("svcctl0", alias: "x")
            }
        }
    }

    @Test(arguments: ["", "sixteen-bytes-16", "a b", "a/b", "a:b", ".", "..", "a\n"])
    func namesAreChecked(_ name: String) throws {
        try NetworkNamespace("dummy").run {
            var socket = try LinkSocket()
            let error = #expect(throws: LinkError.self) { try socket.addDummy(name, alias: "x") }
            guard case .invalid? = error?.reason else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func aliasesAreChecked() throws {
        try NetworkNamespace("dummy").run {
            var socket = try LinkSocket()
            for alias in [String(repeating: "x", count: 256), "a\nb"] {
                let error = #expect(throws: LinkError.self) { try socket.addDummy("d0", alias: alias) }
                guard case .invalid? = error?.reason else {
                    Issue.record("\(String(describing: error))")
                    return
                }
            }
        }
    }
}
