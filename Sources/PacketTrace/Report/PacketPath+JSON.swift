public import NFTables
internal import NetAddress

// A path with everything in it, for programs.

extension PacketPath {
    public var json: JSON {
        .object(
            [
                .init("from", .string("\(packet.source)")), .init("to", Self.json(packet.destination)),
                .init("protocol", .string(packet.transport.kubernetesName)), .init("origin", .string(originName)),
                .init("interface", interfaceName.map { .string($0) } ?? .null), .init("outcomes", outcomesJSON),
                .init("definitions", .array(definitions.map { .string($0) })),
                .init("notes", .array(notes.map { .string($0) })),
                .init("stages", .array(stages.map(\.json))),
            ])
    }

    private var originName: String { packet.origin == .node ? "node" : "outside" }

    private var interfaceName: String? {
        if case .interface(let name) = packet.origin { name } else { nil }
    }

    /// What becomes of the packet.
    public var outcomesJSON: JSON {
        .array(
            outcomes.map { outcome, probability in
                let probability = JSON.Member("probability", probability.json)
                switch outcome {
                case .delivered(let address, let isMasqueraded):
                    return .object([
                        .init("outcome", "delivered"), .init("to", Self.json(address)),
                        .init("masqueraded", .bool(isMasqueraded)), probability,
                    ])
                case .refused: return .object([.init("outcome", "refused"), probability])
                case .dropped: return .object([.init("outcome", "dropped"), probability])
                case .unchanged: return .object([.init("outcome", "unchanged"), probability])
                }
            })
    }

    private static func json(_ address: SocketAddress) -> JSON {
        ["address": .string("\(address.address)"), "port": .number(Int(address.port))]
    }
}

extension Fraction {
    fileprivate var json: JSON {
        ["numerator": .number(Int(clamping: numerator)), "denominator": .number(Int(clamping: denominator))]
    }
}

extension Stage {
    fileprivate var json: JSON {
        [
            "hook": .string("\(point)"), "type": .string(kind.rawValue), "table": .string(table),
            "chain": .string(chain), "probability": probability.json, "droppedByPolicy": droppedByPolicy.json,
            "steps": .array(steps.map(\.json)),
        ]
    }
}

extension Step {
    fileprivate var json: JSON {
        [
            "chain": .string(chain), "number": .number(number), "rule": .string(rule),
            "probability": probability.json, "matched": matched.json, "findings": .array(findings.map(\.json)),
            "steps": .array(children.map(\.json)),
        ]
    }
}

extension Finding {
    fileprivate var json: JSON {
        var members: [JSON.Member] = [.init("kind", .string(kind.rawValue)), .init("text", .string(text))]
        if let set {
            members.append(.init("set", .string(set)))
            members.append(.init("alternatives", .array(alternatives.map(\.json))))
        }
        return .object(members)
    }
}

extension Finding.Alternative {
    fileprivate var json: JSON {
        [
            "key": .string(key), "found": .bool(isFound), "value": datum.map { .string($0) } ?? .null,
            "definition": comment.map { .string($0) } ?? .null, "probability": probability.json,
        ]
    }
}
