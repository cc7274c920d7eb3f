import NetlinkWire
import Testing

@Suite struct MessageTests {
    @Test func writesWhatItReads() throws {
        var buffer = MessageBuffer(capacity: 1)
        buffer.message(type: 0xa09, flags: [.request, .create], sequence: 7) { message in
            message.append(0x0002 as UInt32)
            message.attribute(1, string: "svcctl")
            message.attribute(2, bigEndian: 0x0102_0304 as UInt32)
            message.nested(3) { outer in
                outer.attribute(1, bytes: [1, 2, 3, 4, 5])
                outer.nested(2) { inner in inner.attribute(9, bigEndian: 0xffff_ffff_0000_0001 as UInt64) }
            }
        }
        buffer.message(type: 1, flags: .acknowledge, sequence: 8) { _ in }
        let bytes = buffer.bytes
        #expect(bytes.count % 4 == 0)
        try bytes.withUnsafeBytes { raw in
            let messages = Array(MessageReader(raw))
            #expect(messages.map(\.type) == [0xa09, 1])
            #expect(messages.map(\.sequence) == [7, 8])
            #expect(messages[0].flags == [.request, .create])
            let attributes = Array(messages[0].attributes(after: 4))
            #expect(attributes.map(\.type) == [1, 2, 3])
            #expect(attributes[0].string == "svcctl")
            #expect(attributes[0].payload.count == 7)
            #expect(attributes[1].bigEndian(UInt32.self) == 0x0102_0304)
            #expect(attributes[1].bigEndian(UInt64.self) == nil, "the length must fit")
            let inner = try #require(attributes[2].nested.first(2))
            #expect(Array(try #require(attributes[2].nested.first(1)).payload) == [1, 2, 3, 4, 5])
            #expect(inner.nested.first(9)?.bigEndian(UInt64.self) == 0xffff_ffff_0000_0001)
        }
    }

    /// However a message is cut, nothing is read beyond its end.
    @Test func stopsBeforeWhatIsCutShort() {
        var buffer = MessageBuffer()
        buffer.message(type: 5, flags: .multi, sequence: 1) { message in
            message.append(0 as UInt32)
            message.nested(1) { nest in for number in 0..<4 { nest.attribute(2, bigEndian: UInt32(number)) } }
            message.attribute(3, string: "tail")
        }
        let whole = buffer.bytes
        for length in 0...whole.count {
            let cut = Array(whole.prefix(length))
            cut.withUnsafeBytes { raw in
                for message in MessageReader(raw) {
                    for attribute in message.attributes(after: 4) { for inner in attribute.nested { _ = inner.string } }
                }
            }
        }
        // Lengths that lie: too short, and beyond the end.
        for position in 0..<whole.count {
            for value in [0, 1, 3, 0xff] as [UInt8] {
                var broken = whole
                broken[position] = value
                broken.withUnsafeBytes { raw in
                    for message in MessageReader(raw) {
                        for attribute in message.attributes(after: 4) {
                            for inner in attribute.nested { _ = inner.type }
                        }
                    }
                }
            }
        }
    }

    /// The end of a dump says whether it was complete.
    @Test(arguments: [(0, nil), (-12, 12), (7, nil), (Int32.min, .max)] as [(Int32, Int32?)])
    func readsTheOutcomeOfADump(code: Int32, errno: Int32?) throws {
        var answer = MessageBuffer()
        answer.message(type: MessageType.done, flags: .multi, sequence: 1) { $0.append(code) }
        answer.message(type: MessageType.done, flags: .multi, sequence: 1) { _ in }
        answer.bytes.withUnsafeBytes { raw in
            #expect(MessageReader(raw).map(\.dumpErrno) == [errno, nil])
        }
    }

    @Test(arguments: [true, false]) func readsExtendedAcks(capped: Bool) throws {
        var request = MessageBuffer()
        request.message(type: 0xa0c, flags: .request, sequence: 42) { $0.attribute(1, string: "cluster_services") }
        let repeated = capped ? Array(request.bytes.prefix(16)) : request.bytes
        var answer = MessageBuffer()
        let flags: MessageFlags = capped ? [.capped, .extendedAck] : .extendedAck
        answer.message(type: MessageType.error, flags: flags, sequence: 42) { message in
            message.append(-17 as Int32)
            repeated.withUnsafeBytes { message.appendPadded($0) }
            message.attribute(1, string: "element exists")
            message.attribute(2, bytes: [20, 0, 0, 0])
        }
        try answer.bytes.withUnsafeBytes { raw in
            let message = try #require(MessageReader(raw).first { _ in true })
            let error = try #require(ErrorMessage(message))
            #expect(error.errno == 17)
            #expect(error.sequence == 42)
            #expect(error.message == "element exists")
            #expect(error.offset == 20)
        }
    }
}
