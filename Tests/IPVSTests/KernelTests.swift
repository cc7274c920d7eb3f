import DataplaneTestKit
import IPVS
import NetAddress
import Netlink
import Synchronization
import Testing

/// What is written to a real kernel, read back, and what the stock tool says of it.
extension WithKernel {
    @Suite struct KernelTests {
        static let web = VirtualServerID.address(ip("10.0.0.1"), .tcp, port: 80)

        /// One of every kind, with all schedulers and their flags.
        static let servers: [VirtualServer: Set<RealServer>] = {
            var servers: [VirtualServer: Set<RealServer>] = [:]
            for (number, scheduler) in Scheduler.known.enumerated() where scheduler.name != "twos" {
                let flags = scheduler.flags.reduce(into: VirtualServer.Flags()) { $0.insert($1.flag) }
                for (address, transport) in [("10.0.0.1", TransportProtocol.tcp), ("fd00::1", .sctp)] {
                    let id = VirtualServerID.address(ip(address), transport, port: UInt16(1000 + number))
                    servers[VirtualServer(id, scheduler: scheduler.name, flags: flags)] = []
                }
            }
            let ports: [UInt16] = [80, 0, 65535]
            servers[VirtualServer(web, scheduler: "wrr", flags: .schedulerFlag3)] = Set(
                ports.map { RealServer(ip("10.1.0.1"), port: $0, weight: UInt32($0) * 7) } + [
                    RealServer(ip("10.1.0.2"), port: 80, weight: UInt32(Int32.max), forwarding: .direct),
                    RealServer(ip("10.1.0.3"), port: 80, weight: 0, forwarding: .tunnel),
                    RealServer(
                        ip("10.1.0.4"), port: 80, forwarding: .tunnel,
                        tunnel: Tunnel(.gue, port: 6080, checksum: .full)),
                    RealServer(
                        ip("10.1.0.5"), port: 80, forwarding: .tunnel,
                        tunnel: Tunnel(.gue, port: 6081, checksum: .remote)),
                    RealServer(ip("10.1.0.6"), port: 80, forwarding: .tunnel, tunnel: Tunnel(.gre, checksum: .full)),
                    RealServer(ip("10.1.0.7"), port: 80, forwarding: .tunnel, tunnel: Tunnel(.gre)),
                    RealServer(ip("10.1.0.8"), port: 80, upperThreshold: 65_535, lowerThreshold: 65_534),
                    RealServer(ip("10.1.0.9"), port: 80, upperThreshold: 10),
                    RealServer(ip("fd00::9"), port: 80, forwarding: .tunnel),
                    RealServer(ip("127.0.0.1"), port: 80),
                ])
            let long = VirtualServer(
                .address(ip("fd00::1"), .udp, port: 53), scheduler: "rr", flags: [.persistent],
                persistenceTimeout: 86_400, persistenceMask: PersistenceMask(.ipv6, prefixLength: 64))
            servers[long] = [
                RealServer(ip("fd00::2"), port: 53), RealServer(ip("fd00::3"), port: 5353, weight: 100),
                RealServer(ip("10.1.0.1"), port: 53, forwarding: .tunnel),
            ]
            servers[
                VirtualServer(
                    .address(ip("10.0.0.2"), .tcp, port: 0), scheduler: "mh", flags: [.persistent, .sourcePort],
                    persistenceTimeout: 1, persistenceMask: PersistenceMask(.ipv4, number: 0xff00_ff00))] = [
                    RealServer(ip("10.1.0.1"), port: 0)
                ]
            servers[
                VirtualServer(
                    .address(ip("10.0.0.1"), .udp, port: 5060), scheduler: "rr", flags: [.persistent],
                    persistenceTimeout: 300, persistenceEngine: "sip")] = []
            servers[VirtualServer(.address(ip("10.0.0.1"), .udp, port: 53), scheduler: "rr", flags: .onePacket)] = []
            servers[VirtualServer(.mark(1, .ipv4), scheduler: "wlc")] = [RealServer(ip("10.1.0.1"), port: 0)]
            servers[VirtualServer(.mark(1, .ipv6), scheduler: "lc")] = [RealServer(ip("fd00::2"), port: 80)]
            servers[VirtualServer(.mark(0x7fff_ffff, .ipv4), scheduler: "rr")] = []
            return servers
        }()

        static let additions = batch { batch in
            for (server, reals) in servers {
                batch.add(server)
                for real in reals { batch.add(real, to: server.id) }
            }
        }

        /// Read back it is the same; the stock tool prints the lines that we print; and loads them to the same end.
        @Test func everyKind() throws {
            let namespace = try NetworkNamespace("written")
            #expect(try namespace.send(Self.additions) == [])
            #expect(try namespace.servers() == Self.servers)

            let found = try namespace.run {
                var socket = try IPVSSocket()
                var found: [VirtualServer] = []
                for server in Self.servers.keys {
                    if let status = try socket.virtualServer(server.id) { found.append(status.server) }
                }
                return found
            }
            #expect(found == Array(Self.servers.keys))

            let lines = Self.additions.entries.map { "\($0.operation)" }
            let saved = try namespace.tool(["ipvsadm", "-S", "-n"]).split(separator: "\n").map(String.init)
            // It leaves out thresholds.
            #expect(Set(saved) == Set(lines.map { $0.split(separator: " -x ")[0] }.map(String.init)))
            #expect(saved.count == lines.count)

            let loaded = try NetworkNamespace("loaded")
            // To the stock tool a real server has the virtual server's port, but for masquerading.
            try loaded.tool(["ipvsadm", "-R"], input: lines.joined(separator: "\n") + "\n")
            #expect(try loaded.servers() == Self.servers)
        }

        /// Every field can be changed in place, and absent ones are removed.
        @Test func changes() throws {
            let namespace = try NetworkNamespace("changed")
            var server = VirtualServer(
                Self.web, scheduler: "sh", flags: [.persistent, .sourcePort], persistenceTimeout: 60)
            var real = RealServer(ip("10.1.0.1"), port: 80)
            let other = RealServer(ip("10.1.0.2"), port: 80)
            let additions = batch {
                $0.add(server)
                $0.add(real, to: server.id)
                $0.add(other, to: server.id)
            }
            #expect(try namespace.send(additions) == [])

            server.scheduler = "mh"
            server.flags = [.fallback, .onePacket]
            server.persistenceTimeout = 0
            server.persistenceMask = PersistenceMask(.ipv4, prefixLength: 8)
            server.persistenceEngine = "sip"
            real = RealServer(
                real.address, port: 80, weight: 0, forwarding: .tunnel, upperThreshold: 5, lowerThreshold: 4,
                tunnel: Tunnel(.gue, port: 1, checksum: .full))
            let changes = batch {
                $0.change(server)
                $0.change(real, of: server.id)
                $0.remove(other.id, of: server.id)
            }
            #expect(try namespace.send(changes) == [])
            #expect(try namespace.servers() == [server: [real]])

            server.persistenceEngine = nil
            real = RealServer(real.address, port: 80)
            let back = batch {
                $0.change(server)
                $0.change(real, of: server.id)
            }
            #expect(try namespace.send(back) == [])
            #expect(try namespace.servers() == [server: [real]])

            #expect(try namespace.send(batch { $0.remove(server.id) }) == [])
            let absent = try namespace.run {
                var socket = try IPVSSocket()
                return (try socket.virtualServer(Self.web), try socket.realServers(of: Self.web))
            }
            #expect(absent.0 == nil)
            #expect(absent.1.isEmpty)
            #expect(try namespace.servers().isEmpty)
        }

        /// Several thousand, in pieces of any size: more than one datagram of a dump, and more than one call.
        @Test(arguments: [1, 64 * 1024, 1 << 20]) func many(_ pieceBytes: Int) throws {
            let namespace = try NetworkNamespace("many")
            var expected: [VirtualServer: Set<RealServer>] = [:]
            let additions = batch { batch in
                for number in 1...500 as ClosedRange<UInt16> {
                    let server = VirtualServer(.address(ip("10.0.0.1"), .tcp, port: number), scheduler: "rr")
                    let reals = (1...3 as ClosedRange<UInt16>).map { RealServer(ip("10.1.0.1"), port: $0) }
                    batch.add(server)
                    for real in reals { batch.add(real, to: server.id) }
                    expected[server] = Set(reals)
                }
                // And one with more than fit a datagram of a dump.
                let server = VirtualServer(.address(ip("fd00::1"), .tcp, port: 1), scheduler: "rr")
                let reals = (1...500 as ClosedRange<UInt16>).map { RealServer(ip("fd00::2"), port: $0) }
                batch.add(server)
                for real in reals { batch.add(real, to: server.id) }
                expected[server] = Set(reals)
            }
            #expect(try namespace.send(additions, pieceBytes: pieceBytes) == [])
            #expect(try namespace.servers() == expected)
        }

        /// The kernel loses its place in the list when others come and go, in any namespace. Nothing is made up by that, and
        /// once it is over, everything is there.
        @Test func othersComeAndGo() throws {
            let namespace = try NetworkNamespace("steady")
            let servers = (1...300).map { VirtualServer(.mark($0, .ipv4), scheduler: "rr") }
            #expect(try namespace.send(batch { for server in servers { $0.add(server) } }) == [])

            let isDone = Atomic(false)
            let other = try NetworkNamespace("restless")
            let coming = try BackgroundRun(in: other) {
                var socket = try IPVSSocket()
                let additions = batch { for server in servers.prefix(50) { $0.add(server) } }
                let removals = batch { for server in servers.prefix(50) { $0.remove(server.id) } }
                while !isDone.load(ordering: .relaxed) {
                    _ = try socket.send(additions)
                    _ = try socket.send(removals)
                }
            }
            let lists = try namespace.run {
                var socket = try IPVSSocket()
                return try (0..<20).map { _ in try socket.virtualServers().map(\.server) }
            }
            isDone.store(true, ordering: .relaxed)
            try coming.wait()
            let known = Set(servers)
            for list in lists { #expect(Set(list).count == list.count && known.isSuperset(of: list)) }
            #expect(try Set(namespace.servers().keys) == known)
        }

        @Test func settings() throws {
            let namespace = try NetworkNamespace("settings")
            let timeouts = try namespace.run {
                var socket = try IPVSSocket()
                let information = try socket.information()
                #expect(information.versionText == "1.2.1")
                #expect(information.connectionTableSize > 0)
                let before = try socket.timeouts()
                try socket.setTimeouts(Timeouts(tcp: 7200, tcpFin: 0, udp: 30))
                return [before, try socket.timeouts()]
            }
            #expect(timeouts.map(\.tcpFin) == [timeouts[0].tcpFin, timeouts[0].tcpFin])
            #expect(timeouts[1].tcp == 7200 && timeouts[1].udp == 30)
            let text = try namespace.tool(["ipvsadm", "-L", "--timeout"])
            #expect(text.contains(": 7200 \(timeouts[0].tcpFin) 30"))
        }
    }
}

/// Without ip_vs, the first thing says so.
@Suite(.enabled(if: IPVSSupport.here == .noModule, "the kernel has ip_vs, or namespaces cannot be made"))
struct MissingModuleTests {
    @Test func theModuleIsNamed() throws {
        let namespace = try NetworkNamespace("without")
        let error: NetlinkError? = try namespace.run {
            do throws(NetlinkError) {
                _ = try IPVSSocket()
                return nil
            } catch {
                return error
            }
        }
        #expect(error?.isUnsupported == true)
        #expect(error?.description.contains("no module ip_vs") == true)
    }
}
