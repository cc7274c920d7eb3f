import DataplaneTestKit
import Glibc
import NetAddress
import Testing

@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct NamespaceTests {
    @Test func namespacesAreSeparate() throws {
        let own = try NetworkNamespace.currentInode()
        let (one, two) = (try NetworkNamespace("one"), try NetworkNamespace("two"))
        #expect(try Set([own, one.inode(), two.inode()]).count == 3)
        #expect(try one.run { try NetworkNamespace.currentInode() } == one.inode())
        #expect(try NetworkNamespace.currentInode() == own)

        try one.ip(["link add name a type veth peer name b"])
        #expect(try one.tool(["ip", "-o", "link"]).contains("a@b"))
        #expect(try !two.tool(["ip", "-o", "link"]).contains("a@b"))
        try one.nft("table inet mine {}\n")
        #expect(try one.tool(["nft", "list", "tables"]) == "table inet mine\n")
        #expect(try two.tool(["nft", "list", "tables"]).isEmpty)
    }

    @Test func settingsAreTheNamespacesOwn() throws {
        let (one, two) = (try NetworkNamespace("one"), try NetworkNamespace("two"))
        #expect(try one.sysctl("net.ipv4.ip_forward") == "0")
        try one.sysctl("net.ipv4.ip_forward", "1")
        #expect(try one.sysctl("net/ipv4/ip_forward") == "1")
        #expect(try two.sysctl("net.ipv4.ip_forward") == "0")
        #expect(throws: SystemCallError.self) { try one.sysctl("net.ipv4.no_such_setting", "1") }
    }

    @Test func loopbackIsUp() throws {
        let namespace = try NetworkNamespace()
        for address in [IPAddress(ipv4: 0x7f00_0001), IPAddress(ipv6: 0, 1)] {
            let server = try EchoServer(in: namespace, address: address, port: 0, name: "self")
            #expect(Client.probe(from: namespace, to: address, port: server.port).seenAs == address)
        }
    }

    @Test func passesErrorsOn() throws {
        let namespace = try NetworkNamespace()
        let error = SystemCallError(call: "test", number: EXDEV)
        #expect(throws: error) { try namespace.run { throw error } }
    }

    /// What the tests do must not show in the machine's own namespace.
    @Test func theMachinesNamespaceStaysAsItIs() throws {
        let before = try machineState()
        let lab = try Lab()
        try lab.node.nft("table inet mine {\n chain c {\n type filter hook forward priority 0; drop\n }\n }\n")
        #expect(try machineState() == before)
        withExtendedLifetime(lab) {}
    }

    private func machineState() throws -> [ProgramResult] {
        try [["ip", "-o", "link"], ["ip", "route"], ["nft", "list", "ruleset"]].map { command in
            try hostProgram(command)
        }
    }

    @Test func nothingLeaks() throws {
        for _ in 0..<3 { try makeAndUse() }
        let before = try (count(of: "/proc/self/fd"), count(of: "/proc/self/task"))
        for _ in 0..<150 { try makeAndUse() }
        // Other tests run meanwhile and hold some of either, but not as many as one leak in each round.
        let after = try (count(of: "/proc/self/fd"), count(of: "/proc/self/task"))
        #expect(after.0 < before.0 + 120, "descriptors")
        #expect(after.1 < before.1 + 120, "threads")
    }

    /// Holds five descriptors and a thread while it lasts.
    private func makeAndUse() throws {
        let namespace = try NetworkNamespace()
        let loopback = IPAddress(ipv4: 0x7f00_0001)
        let server = try EchoServer(in: namespace, address: loopback, port: 0, name: "self", mode: .keepOpen)
        let connection = try LongConnection(from: namespace, to: loopback, port: server.port)
        #expect(try connection.exchange("hello") == "hello")
        try namespace.tool(["true"])
    }

    private func count(of directory: String) throws -> Int {
        let listing = try #require(opendir(directory))
        defer { closedir(listing) }
        var count = 0
        while readdir(listing) != nil { count += 1 }
        return count
    }
}
