#if IPSet

    internal import ArgumentParser
    internal import FoundationEssentials
    internal import Glibc
    internal import IPSet
    internal import NetAddress
    internal import Netlink
    internal import NetlinkWire

    /// Filling a set: through libipset's sessions, with messages by hand, and with the stock tool.
    struct IPSetBench: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ipset", abstract: "Fill a set of addresses and ports, list it and empty it.")

        @Option(help: "How many elements the set gets.") var elements = 100_000
        @Option var runs = 5

        func run() throws {
            var session = try IPSetSession()
            guard try session.sets().isEmpty else {
                throw ValidationError(
                    "there are sets here; run this in a network namespace of its own (unshare --net)")
            }
            let elements = (0..<UInt32(max(elements, 1))).map { number in
                SetElement(.addressPort(IPAddress(ipv4: 0x0a00_0000 &+ number), .tcp, 80))
            }
            let spec = SetSpec("bench", .hashIPPort, maxElements: UInt32(elements.count))
            let file = FileManager.default.temporaryDirectory.appending(path: "svcctl-bench-\(getpid())")
            defer { try? FileManager.default.removeItem(at: file) }
            try Data(Self.text(spec, elements)).write(to: file)
            for _ in 0..<runs {
                var stopwatch = Stopwatch()
                try session.create(spec)
                try stopwatch.measure("session") { () throws(IPSetError) in
                    try session.add(elements, to: spec.name)
                }
                let content = try stopwatch.measure("list") { () throws(IPSetError) in
                    try session.content(of: spec.name)
                }
                guard content?.elements.count == elements.count else { throw ValidationError("elements are missing") }
                try stopwatch.measure("delete") { () throws(IPSetError) in
                    try session.delete(elements, from: spec.name)
                }
                try session.destroy(spec.name)

                try session.create(spec)
                try stopwatch.measure("messages") { () throws(NetlinkError) in try Self.send(elements, to: spec.name) }
                try session.destroy(spec.name)

                let status = stopwatch.measure("restore") { system("ipset restore -file \(file.path())") }
                guard status == 0 else { throw ValidationError("ipset restore failed") }
                try session.destroy(spec.name)
            }
        }

        private static func text(_ spec: SetSpec, _ elements: [SetElement]) -> [UInt8] {
            var text: [UInt8] = []
            spec.write(to: &text)
            for element in elements { element.write(adding: spec.name, to: &text) }
            return text
        }

        /// The least that anybody could do: messages of just under 64 KiB, which is what an attribute can hold.
        private static func send(_ elements: [SetElement], to set: String) throws(NetlinkError) {
            var socket = try NetlinkSocket(.netfilter)
            var rest = elements[...]
            while !rest.isEmpty {
                let batch = rest.prefix(1200)
                rest = rest.dropFirst(1200)
                var buffer = MessageBuffer(capacity: 1 << 16)
                // `NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_ADD`, and attributes of linux/netfilter/ipset/ip_set.h.
                buffer.message(type: 6 << 8 | 9, flags: [.request, .acknowledge, .exclusive], sequence: 1) { buffer in
                    buffer.append(2 as UInt32)
                    buffer.attribute(1, bytes: [6])
                    buffer.attribute(2, string: set)
                    buffer.attribute(9, bigEndian: 1 as UInt32)
                    buffer.nested(8) { buffer in
                        for (index, element) in batch.enumerated() { write(element, UInt32(index), to: &buffer) }
                    }
                }
                let answers = try socket.commit(buffer, operation: "adding elements")
                if let refusal = answers.first(where: { $0.errno != 0 }) {
                    throw NetlinkError(errno: refusal.errno, operation: "adding elements")
                }
            }
        }

        private static func write(_ element: SetElement, _ line: UInt32, to buffer: inout MessageBuffer) {
            guard case .addressPort(let address, let transport, let port) = element.key else { return }
            buffer.nested(7) { buffer in
                buffer.nested(1) { buffer in
                    buffer.attributeHeader(1 | networkByteOrder, payload: 4)
                    buffer.append(UInt32(truncatingIfNeeded: address.low).bigEndian)
                }
                buffer.attributeHeader(4 | networkByteOrder, payload: 2)
                buffer.append(UInt32(port.bigEndian))
                buffer.attributeHeader(7, payload: 1)
                buffer.append(UInt32(transport.rawValue))
                buffer.attributeHeader(9 | networkByteOrder, payload: 4)
                buffer.append(line.bigEndian)
            }
        }
    }

    /// `NLA_F_NET_BYTEORDER`.
    private let networkByteOrder: UInt16 = 0x4000

#endif
