import DataplaneTestKit
import Foundation
import NFTables
import NetAddress
import Netlink
import Testing

/// Who changes the ruleset is heard, and named.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct MonitorTests {
    @Test func transactionsAreHeard() throws {
        let namespace = try NetworkNamespace("monitor")
        let nft = { @Sendable (command: String) in try namespace.nft(command + "\n") }
        let mine = Table(family: .ipv4, name: "mine")
        try namespace.run {
            var monitor = try NFTablesMonitor(table: mine.name)
            var socket = try NFTablesSocket()
            #expect(try monitor.commits() == [])

            var batch = Batch(generation: nil)
            batch.add(mine)
            try socket.commit(batch)
            let own = try #require(try monitor.commits()?.first)
            #expect(own.touchesTable && own.processID != nil)
            #expect(own.generation == (try socket.generation()))

            try nft("add table ip other; add set ip other s { type ipv4_addr; }; add element ip other s { 10.0.0.1 }")
            let foreign = try #require(try monitor.commits())
            #expect(foreign.map(\.touchesTable) == [false])
            #expect(foreign.first?.processName == "nft")
            #expect(foreign.first?.generation == (try socket.generation()))

            try nft("add set ip mine s { type ipv4_addr; }")
            try nft("add element ip mine s { 10.0.0.1 }")
            try nft("delete element ip mine s { 10.0.0.1 }")
            try nft("add chain ip other c")
            try nft("flush ruleset")
            let drift = try #require(try monitor.commits())
            #expect(drift.map(\.touchesTable) == [true, true, true, false, true])
            #expect(drift.last?.generation == (try socket.generation()))
            #expect(try monitor.commits() == [])
        }
    }

    /// A thread's own name is not what says who it was.
    @Test func ourOwnNameIsTheProcess() throws {
        let namespace = try NetworkNamespace("monitor")
        let process = try String(contentsOfFile: "/proc/self/comm", encoding: .utf8)
        try namespace.run {
            try "pool".write(toFile: "/proc/thread-self/comm", atomically: false, encoding: .utf8)
            var monitor = try NFTablesMonitor(table: "mine")
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            batch.add(Table(family: .ipv4, name: "mine"))
            try socket.commit(batch)
            #expect(try monitor.commits()?.first?.processName == process.trimmingCharacters(in: .newlines))
        }
    }

    /// More than the socket holds: that something is missing is told, and listening goes on.
    @Test func tooMuchAtOnceIsTold() throws {
        let namespace = try NetworkNamespace("monitor")
        let set = SetDefinition(family: .ipv4, table: "mine", name: "s", key: SetTests.key)
        try namespace.run {
            var monitor = try NFTablesMonitor(table: "mine")
            var socket = try NFTablesSocket()
            var batch = Batch(generation: nil)
            batch.add(Table(family: .ipv4, name: "mine"))
            batch.add(set)
            batch.add(
                (0..<200_000).map { (SetTests.elementKey(IPAddress(ipv4: UInt32($0)), 80), ElementValue()) }, to: set)
            try socket.commit(batch)
            #expect(try monitor.commits() == nil)
            try namespace.nft("add chain ip mine c\n")
            #expect(try monitor.commits()?.map(\.touchesTable) == [true])
        }
    }
}
