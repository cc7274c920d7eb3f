import NetAddress
import NetlinkWire
import Testing

@testable import IPVS

/// Requests byte by byte, as the kernel's header files lay them out.
@Suite struct EncodingTests {
    static let server = VirtualServerID.address(ip("10.0.0.1"), .tcp, port: 80)

    func bytes(_ operation: IPVSOperation) -> [UInt8] {
        var buffer = MessageBuffer()
        buffer.request(operation)
        return buffer.bytes
    }

    /// 16 and 32-bit numbers in the host's order.
    func host(_ number: UInt16) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
    func host(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

    func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        let padding = (4 - payload.count % 4) % 4
        return host(UInt16(payload.count + 4)) + host(type) + payload + Array(repeating: 0, count: padding)
    }

    func nest(_ type: UInt16, _ attributes: [UInt8]...) -> [UInt8] {
        attribute(type | 0x8000, attributes.flatMap { $0 })
    }

    @Test func aVirtualServerOfIPv4() {
        let server = VirtualServer(
            Self.server, scheduler: "wrr", flags: [.persistent, .hashed], persistenceTimeout: 300,
            persistenceMask: PersistenceMask(.ipv4, prefixLength: 24))
        let expected =
            [1, 1, 0, 0]
            + nest(
                1,
                attribute(1, host(2 as UInt16)), attribute(2, host(6 as UInt16)),
                attribute(3, [10, 0, 0, 1] + Array(repeating: 0, count: 12)), attribute(4, [0, 80]),
                attribute(6, Array("wrr".utf8) + [0]),
                attribute(7, host(1 as UInt32) + host(0xffff_fffd as UInt32)), attribute(8, host(300 as UInt32)),
                attribute(9, [255, 255, 255, 0]))
        #expect(bytes(.addVirtual(server)) == expected)
        #expect(bytes(.changeVirtual(server)) == [2] + expected.dropFirst())
    }

    @Test func aVirtualServerOfIPv6() {
        let address = ip("fd00::1")
        let id = VirtualServerID.address(address, .udp, port: 53)
        let server = VirtualServer(id, scheduler: "mh", flags: [.fallback, .onePacket], persistenceEngine: "sip")
        #expect(
            bytes(.addVirtual(server))
                == [1, 1, 0, 0]
                + nest(
                    1,
                    attribute(1, host(10 as UInt16)), attribute(2, host(17 as UInt16)),
                    attribute(3, address.networkBytes), attribute(4, [0, 53]),
                    attribute(6, Array("mh".utf8) + [0]), attribute(11, Array("sip".utf8) + [0]),
                    attribute(7, host(0xc as UInt32) + host(0xffff_fffd as UInt32)), attribute(8, host(0 as UInt32)),
                    attribute(9, host(128 as UInt32))))
    }

    @Test func aMark() {
        #expect(
            bytes(.removeVirtual(.mark(7, .ipv6)))
                == [3, 1, 0, 0] + nest(1, attribute(1, host(10 as UInt16)), attribute(5, host(7 as UInt32))))
    }

    @Test func aRealServer() {
        let server = RealServer(ip("10.1.0.1"), port: 8080, weight: 5, upperThreshold: 100, lowerThreshold: 50)
        let service = nest(
            1,
            attribute(1, host(2 as UInt16)), attribute(2, host(6 as UInt16)),
            attribute(3, [10, 0, 0, 1] + Array(repeating: 0, count: 12)), attribute(4, [0, 80]))
        let identity = [
            attribute(11, host(2 as UInt16)), attribute(1, [10, 1, 0, 1] + Array(repeating: 0, count: 12)),
            attribute(2, [0x1f, 0x90]),
        ].flatMap { $0 }
        let fields = [3: 0, 4: 5, 5: 100, 6: 50].sorted { $0.key < $1.key }
            .flatMap { attribute($0.key, host(UInt32($0.value))) }
        let destination = nest(2, identity, fields)
        #expect(bytes(.addReal(server, to: Self.server)) == [5, 1, 0, 0] + service + destination)
        #expect(bytes(.changeReal(server, of: Self.server)) == [6, 1, 0, 0] + service + destination)
        #expect(bytes(.removeReal(server.id, of: Self.server)) == [7, 1, 0, 0] + service + nest(2, identity))
    }

    @Test func aTunnel() {
        var server = RealServer(
            ip("fd00::2"), port: 80, forwarding: .tunnel, tunnel: Tunnel(.gue, port: 6080, checksum: .remote))
        let tail = attribute(13, [1]) + attribute(14, [0x17, 0xc0]) + attribute(15, host(2 as UInt16))
        #expect(bytes(.addReal(server, to: Self.server)).suffix(tail.count) == tail[...])
        server.forwarding = .direct
        #expect(bytes(.addReal(server, to: Self.server)).suffix(8) == attribute(6, host(0 as UInt32))[...])
    }

    @Test func masks() {
        #expect(PersistenceMask(.ipv4, prefixLength: 0).number == 0)
        #expect(PersistenceMask(.ipv4, prefixLength: 200) == .full(.ipv4))
        #expect(PersistenceMask(.ipv6, prefixLength: 200) == .full(.ipv6))
        for length in 0...32 as ClosedRange<UInt8> {
            #expect(PersistenceMask(.ipv4, prefixLength: length).prefixLength == length)
        }
        #expect(PersistenceMask(.ipv4, number: 0xff00_ff00).prefixLength == nil)
        #expect(PersistenceMask(.ipv6, number: 129).prefixLength == nil)
        #expect(PersistenceMask.full(.ipv4).isFull && !PersistenceMask(.ipv6, prefixLength: 64).isFull)
    }

    /// The kernel's own bit never gets into a value, so that desired and listed servers compare.
    @Test func theKernelsBitIsNoPartOfAServer() {
        var server = VirtualServer(Self.server, scheduler: "rr", flags: .hashed)
        #expect(server.flags.isEmpty)
        server.flags = [.persistent, .hashed]
        #expect(server.flags == .persistent)
    }

    @Test func order() {
        let ids: [VirtualServerID] = [
            .address(ip("10.0.0.1"), .tcp, port: 80), .address(ip("10.0.0.1"), .tcp, port: 443),
            .address(ip("10.0.0.1"), .udp, port: 1), .address(ip("10.0.0.2"), .tcp, port: 1),
            .address(ip("::1"), .tcp, port: 1), .mark(1, .ipv4), .mark(2, .ipv4), .mark(1, .ipv6),
        ]
        #expect(ids.reversed().sorted() == ids)
    }
}
