import NetAddress
import NetlinkWire
import Testing

@testable import IPVS

/// Lists as the kernel writes them, also those that it never should.
@Suite struct DecodingTests {
    static let family: UInt16 = 0x1f

    /// Writes a message and reads it back as an answer.
    func answer<Value>(
        _ command: Command, _ write: (inout MessageBuffer) -> Void, _ read: (AttributeReader) -> Value?
    ) -> Value? {
        var buffer = MessageBuffer()
        buffer.message(type: Self.family, flags: .multi, sequence: 1) {
            $0.genericHeader(command.rawValue, version: 1)
            write(&$0)
        }
        return buffer.unsafeBytes { bytes in
            MessageReader(bytes).first { _ in true }?.attributes(of: command, family: Self.family).flatMap(read)
        }
    }

    func virtualServer(_ write: (inout MessageBuffer) -> Void) -> VirtualServerStatus? {
        answer(.newService) {
            $0.nested(1, write)
        } _: {
            $0.first(CommandAttribute.service).flatMap { VirtualServerStatus($0) }
        }
    }

    func realServer(_ write: (inout MessageBuffer) -> Void) -> RealServerStatus? {
        answer(.newDestination) {
            $0.nested(2, write)
        } _: {
            $0.first(CommandAttribute.destination).flatMap { RealServerStatus($0, family: .ipv4) }
        }
    }

    /// What we write, the kernel lists in the same form.
    @Test func whatIsWrittenReadsBack() {
        let address = VirtualServerID.address(ip("fd00::1"), .sctp, port: 80)
        let servers = [
            VirtualServer(
                .address(ip("10.0.0.1"), .tcp, port: 80), scheduler: "sh", flags: [.persistent, .sourcePort],
                persistenceTimeout: 60, persistenceMask: PersistenceMask(.ipv4, number: 0xff00_ff00)),
            VirtualServer(address, scheduler: "rr", persistenceEngine: "sip"),
            VirtualServer(.mark(0xffff_ffff, .ipv6), scheduler: "wlc"),
        ]
        for server in servers {
            let read = answer(.newService) {
                var request = MessageBuffer()
                request.request(.addVirtual(server))
                $0.append(request.bytes.dropFirst(4))
            } _: {
                $0.first(CommandAttribute.service).flatMap { VirtualServerStatus($0) }
            }
            #expect(read == VirtualServerStatus(server: server))
        }
        let reals = [
            RealServer(ip("10.1.0.1"), port: 8080, weight: 3, upperThreshold: 9, lowerThreshold: 2),
            RealServer(ip("fd00::2"), port: 0, forwarding: .tunnel, tunnel: Tunnel(.gre, checksum: .full)),
            RealServer(ip("10.1.0.2"), port: 1, forwarding: .direct),
            RealServer(ip("10.1.0.2"), port: 1, forwarding: .other(5)),
        ]
        for server in reals {
            let read = answer(.newDestination) {
                var request = MessageBuffer()
                request.request(.addReal(server, to: address))
                $0.append(request.bytes.dropFirst(4))
            } _: {
                $0.first(CommandAttribute.destination).flatMap { RealServerStatus($0, family: .ipv6) }
            }
            #expect(read == RealServerStatus(server: server))
        }
    }

    /// The wide counters win, in either order; without them the narrow ones count.
    @Test(arguments: [[10, 12], [12, 10], [10]] as [[UInt16]]) func counters(_ order: [UInt16]) throws {
        let status = try #require(
            virtualServer { buffer in
                buffer.identity(ip("10.0.0.1"))
                for type in order {
                    buffer.nested(type) { nest in
                        for counter in 1...10 as ClosedRange<UInt16> {
                            // The kernel's narrow counters of bytes have always been of 64 bits.
                            if type == 12 {
                                nest.number(counter, UInt64(counter) << 40)
                            } else if counter == 4 || counter == 5 {
                                nest.number(counter, UInt64(counter))
                            } else {
                                nest.number(counter, UInt32(counter))
                            }
                        }
                    }
                }
            })
        let shift: UInt64 = order.contains(12) ? 40 : 0
        var expected = Statistics()
        expected.connections = 1 << shift
        expected.incomingPackets = 2 << shift
        expected.outgoingPackets = 3 << shift
        expected.incomingBytes = 4 << shift
        expected.outgoingBytes = 5 << shift
        expected.rates.connections = 6 << shift
        expected.rates.incomingPackets = 7 << shift
        expected.rates.outgoingPackets = 8 << shift
        expected.rates.incomingBytes = 9 << shift
        expected.rates.outgoingBytes = 10 << shift
        #expect(status.statistics == expected)
    }

    @Test func connectionsOfARealServer() throws {
        let status = try #require(
            realServer { buffer in
                buffer.attribute(1, bytes: [10, 0, 0, 1] + Array(repeating: 0, count: 12))
                buffer.attribute(2, bytes: [0, 80])
                for type in 7...9 as ClosedRange<UInt16> { buffer.number(type, UInt32(type)) }
                // Of meaning to tunnels only.
                buffer.attribute(13, bytes: [2])
            })
        #expect(status.activeConnections == 7)
        #expect(status.inactiveConnections == 8)
        #expect(status.persistentConnections == 9)
        #expect(status.server.tunnel == .ipip)
    }

    /// What is not as expected is passed over; nothing is made up.
    @Test func otherThanExpected() {
        #expect(virtualServer { _ in } == nil)
        #expect(virtualServer { $0.number(1, 2 as UInt16) } == nil)
        #expect(virtualServer { $0.identity(ip("10.0.0.1"), transport: 50) } == nil, "ESP")
        #expect(virtualServer { $0.identity(ip("10.0.0.1"), transport: 0x106) } == nil, "not TCP by its lower byte")
        #expect(virtualServer { $0.identity(ip("10.0.0.1"), family: 1) } == nil)
        #expect(realServer { _ in } == nil)
        #expect(realServer { $0.attribute(1, bytes: [10, 0, 0]) } == nil)
        var buffer = MessageBuffer()
        buffer.message(type: Self.family, flags: .multi, sequence: 1) { $0.append([7, 0][...]) }
        buffer.unsafeBytes { bytes in
            for message in MessageReader(bytes) {
                #expect(message.attributes(of: .newService, family: Self.family) == nil)
                let short = message.attributes(of: .deleteDestination, family: Self.family)
                #expect(short.map { Array($0).count } == 0)
                #expect(message.attributes(of: .newService, family: 2) == nil)
            }
        }
    }

    /// However a message is cut or changed, it is read without a trap.
    @Test func brokenMessages() {
        var buffer = MessageBuffer()
        buffer.message(type: Self.family, flags: .multi, sequence: 1) { message in
            message.request(
                .addReal(
                    RealServer(ip("10.1.0.1"), port: 80, forwarding: .tunnel),
                    to: .address(ip("10.0.0.1"), .tcp, port: 80)))
        }
        buffer.message(type: Self.family, flags: .multi, sequence: 1) { message in
            message.request(.addVirtual(VirtualServer(.mark(1, .ipv4), scheduler: "rr", persistenceEngine: "sip")))
            message.nested(12) { $0.number(1, 1 as UInt64) }
        }
        let whole = buffer.bytes
        for length in 0...whole.count { Self.readAll(Array(whole.prefix(length))) }
        for position in 0..<whole.count {
            for value in [0, 1, 3, 5, 7, 9, 11, 0x7f, 0xff] as [UInt8] {
                var broken = whole
                broken[position] = value
                Self.readAll(broken)
            }
        }
    }

    private static func readAll(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { raw in
            for message in MessageReader(raw) {
                let attributes = message.attributes(after: genericHeaderLength)
                _ = Timeouts(attributes)
                _ = Information(attributes)
                for attribute in attributes {
                    _ = VirtualServerStatus(attribute)
                    _ = RealServerStatus(attribute, family: .ipv6)
                }
            }
        }
    }
}

extension MessageBuffer {
    fileprivate mutating func append(_ bytes: ArraySlice<UInt8>) { for byte in bytes { append(byte) } }

    fileprivate mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(_ type: UInt16, _ number: Number) {
        attribute(type, bytes: withUnsafeBytes(of: number) { Array($0) })
    }

    fileprivate mutating func identity(_ address: IPAddress, transport: UInt16 = 6, family: UInt16 = 2) {
        number(1, family)
        number(2, transport)
        attribute(3, bytes: address.networkBytes)
        attribute(4, bytes: [0, 80])
        attribute(6, string: "rr")
    }
}
