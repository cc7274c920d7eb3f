import CNamespaces
import DataplaneTestKit
import Glibc
import IPVS
import NetAddress
import Netlink
import Testing

/// What the kernel does not do, it says so of, and nothing of that is lost.
extension WithKernel {
    @Suite struct RefusalTests {
        static let web = VirtualServerID.address(ip("10.0.0.1"), .tcp, port: 80)
        static let web6 = VirtualServerID.address(ip("fd00::1"), .tcp, port: 80)
        static let absent = VirtualServerID.address(ip("10.0.0.9"), .tcp, port: 80)

        /// One of each kind in one batch; what is between them is done.
        @Test func eachReason() throws {
            let namespace = try NetworkNamespace("refused")
            let real = RealServer(ip("10.1.0.1"), port: 80)
            func virtual(_ scheduler: String, engine: String? = nil) -> VirtualServer {
                VirtualServer(Self.absent, scheduler: scheduler, persistenceEngine: engine)
            }
            let cases: [(IPVSOperation, Int32, Refusal.Reason)] = [
                (.addVirtual(virtual("foo")), ENOENT, .schedulerMissing(module: "ip_vs_foo")),
                (.changeVirtual(VirtualServer(Self.web, scheduler: "x")), ENOENT, .schedulerMissing(module: "ip_vs_x")),
                (
                    .addVirtual(virtual("rr", engine: "foo")), ENOENT,
                    .schedulerOrEngineMissing(modules: ["ip_vs_rr", "ip_vs_pe_foo"])
                ),
                (.addVirtual(VirtualServer(Self.web, scheduler: "rr")), EEXIST, .exists),
                (.addReal(real, to: Self.web), EEXIST, .exists),
                (.changeVirtual(virtual("rr")), ESRCH, .virtualServerAbsent),
                (.removeVirtual(Self.absent), ESRCH, .virtualServerAbsent),
                (.removeVirtual(.mark(1, .ipv6)), ESRCH, .virtualServerAbsent),
                (.addReal(real, to: Self.absent), ESRCH, .virtualServerAbsent),
                (.changeReal(RealServer(ip("10.1.0.9"), port: 80), of: Self.web), ENOENT, .realServerAbsent),
                (.removeReal(RealServerID(ip("10.1.0.1"), port: 81), of: Self.web), ENOENT, .realServerAbsent),
                (.addReal(RealServer(ip("10.1.0.2"), port: 80, weight: .max), to: Self.web), ERANGE, .outOfRange),
                (.changeReal(RealServer(real.address, port: 80, lowerThreshold: 1), of: Self.web), ERANGE, .outOfRange),
                (.addReal(RealServer(ip("fd00::2"), port: 80), to: Self.web), EINVAL, .familiesDiffer),
                (.addReal(RealServer(ip("224.0.0.1"), port: 80), to: Self.web), EINVAL, .addressUnusable),
                (.addReal(RealServer(ip("255.255.255.255"), port: 80), to: Self.web), EINVAL, .addressUnusable),
                (.addReal(RealServer(ip("fe80::1"), port: 80), to: Self.web6), EINVAL, .addressUnusable),
                (
                    .addReal(
                        RealServer(ip("10.1.0.2"), port: 80, forwarding: .tunnel, tunnel: Tunnel(.gue)), to: Self.web),
                    EINVAL, .tunnelPortMissing
                ),
                (
                    .changeVirtual(
                        VirtualServer(
                            Self.web6, scheduler: "rr", persistenceMask: PersistenceMask(.ipv6, prefixLength: 0))),
                    EINVAL, .invalid
                ),
                // These never get to the kernel, which would take them for something else.
                (.addVirtual(VirtualServer(.mark(0, .ipv4), scheduler: "rr")), EINVAL, .invalid),
                (.addVirtual(virtual("a-name-of-16-byte")), EINVAL, .invalid),
                (.addVirtual(virtual("")), EINVAL, .invalid),
                (.addVirtual(virtual("rr\0x")), EINVAL, .invalid),
                (.addVirtual(virtual("rr", engine: "")), EINVAL, .invalid),
            ]
            let requests = batch { batch in
                for id in [Self.web, Self.web6] { batch.add(VirtualServer(id, scheduler: "rr")) }
                batch.add(real, to: Self.web)
                for (number, item) in cases.enumerated() {
                    batch.append(item.0, tag: 1000 + number)
                    batch.change(RealServer(real.address, port: 80, weight: UInt32(number)), of: Self.web)
                }
            }
            let refusals = try namespace.send(requests)
            #expect(refusals.map(\.index) == cases.indices.map { 3 + $0 * 2 })
            #expect(refusals.map(\.tag) == cases.indices.map { 1000 + $0 })
            for (refusal, item) in zip(refusals, cases) {
                #expect(refusal.operation == item.0)
                #expect(refusal.error.errno == item.1, "\(refusal)")
                #expect(refusal.reason == item.2, "\(refusal)")
                #expect(refusal.description.hasPrefix("\(item.0): \(item.2): "))
            }
            let left = RealServer(real.address, port: 80, weight: UInt32(cases.count - 1))
            #expect(
                try namespace.servers() == [
                    VirtualServer(Self.web, scheduler: "rr"): [left], VirtualServer(Self.web6, scheduler: "rr"): [],
                ])
        }

        /// Many more refusals than a socket's default buffer holds, at the ends of pieces and within.
        @Test(arguments: [1, 64 * 1024, 1 << 20]) func noneIsLost(_ pieceBytes: Int) throws {
            let namespace = try NetworkNamespace("lost")
            let absent = batch { batch in
                for number in 0..<3_000 { batch.remove(Self.absent, tag: -number) }
            }
            let refusals = try namespace.send(absent, pieceBytes: pieceBytes)
            #expect(refusals.map(\.index) == Array(0..<3_000))
            #expect(refusals.map(\.tag) == (0..<3_000).map { -$0 })
            #expect(refusals.allSatisfy { $0.reason == .virtualServerAbsent })

            let mixed = batch { batch in
                for number in 0..<3_000 {
                    if number % 3 == 0 {
                        batch.add(VirtualServer(.mark(UInt32(number + 1), .ipv4), scheduler: "rr"))
                    } else {
                        batch.remove(Self.absent)
                    }
                }
            }
            #expect(
                try namespace.send(mixed, pieceBytes: pieceBytes).map(\.index) == (0..<3_000).filter { $0 % 3 != 0 })
            #expect(try namespace.servers().count == 1_000)
        }

        /// If the socket cannot hold the answers after all, that is an error, and not silence.
        @Test func overflowIsAnError() throws {
            let namespace = try NetworkNamespace("overflow")
            let absent = batch { batch in
                for _ in 0..<1_000 { batch.remove(Self.absent) }
            }
            let error: NetlinkError? = try namespace.run {
                var socket = try IPVSSocket()
                socket.pieceBytes = 1 << 20
                socket.bytesPerAnswer = 1
                do throws(NetlinkError) {
                    _ = try socket.send(absent)
                    return nil
                } catch {
                    return error
                }
            }
            #expect(error?.isOverrun == true)
        }

        /// Where not even `lo` was ever up, the kernel takes no address for one that it could reach.
        @Test func withoutAnyInterface() throws {
            let namespace = try NetworkNamespace("outer")
            let refusals = try namespace.run {
                // The thread is this call's own.
                #expect(thread_unshare_network() == 0)
                var socket = try IPVSSocket()
                return try socket.send(
                    batch {
                        $0.add(VirtualServer(Self.web, scheduler: "rr"))
                        $0.add(RealServer(ip("10.1.0.1"), port: 80), to: Self.web)
                    })
            }
            #expect(refusals.map(\.reason) == [.addressUnusable])
            #expect(refusals.first?.description.contains("no interface is up, lo neither") == true)
        }

        /// Without the privilege the kernel says so, on listing and on each operation.
        @Test func withoutPrivilege() throws {
            let namespace = try NetworkNamespace("unprivileged")
            let (listing, refusals) = try namespace.runWithoutPrivilege {
                var socket = try IPVSSocket()
                var listing: NetlinkError?
                do throws(NetlinkError) { _ = try socket.virtualServers() } catch { listing = error }
                return (
                    listing,
                    try socket.send(
                        batch {
                            $0.add(VirtualServer(Self.web, scheduler: "rr"))
                            $0.remove(Self.web)
                        })
                )
            }
            #expect(listing?.isPermission == true)
            #expect(refusals.map(\.reason) == [.permission, .permission])
        }
    }
}
