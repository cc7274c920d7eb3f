import ServiceModel
import Testing

/// No input may crash the decoder: whatever is done to good inputs, decoding returns or throws.
@Suite struct RobustnessTests {
    static let native = """
        {"services": [{"name": "shop/web", "clusterIPs": ["10.96.0.10", "fd00:96::10"], "ports": [{"name": "http",
        "protocol": "TCP", "port": 80, "targetPort": "web", "nodePort": 30080}], "sessionAffinity": {"clientIP":
        {"timeoutSeconds": 600}}, "trafficDistribution": "PreferClose", "scheduler": "\\u006daglev", "endpoints":
        [{"address": "10.244.1.5", "ports": {"web": 8080}, "conditions": {"ready": true}, "nodeName": "n\\ud83d\\ude00",
        "zone": "zé", "weight": 2, "hints": {"forZones": [{"name": "z1"}]}}]}]}
        """
    static let yaml = """
        %YAML 1.1
        ---
        services: &s # comment
          - name: "shop/web"
            clusterIPs: [10.96.0.10, 'fd00:96::10']
            ports: &p
            - {name: http, port: 0x50, targetPort: !!str web}
            endpoints:
            - &e {address: 10.244.1.5, ports: {web: 8080}, zone: "z\\u00e9"}
            - <<: *e
              address: 10.244.1.6
          - ? name
            : >-
              folded
              text
            ports: *p
        ...
        ---
        kind: List
        items: [{kind: Service, metadata: {name: a}, spec: {clusterIP: None}}]
        """

    private func survives(_ bytes: [UInt8]) {
        _ = try? Definitions(decoding: [DefinitionInput(name: "x", bytes: bytes)])
    }

    @Test(arguments: [native, yaml])
    func truncated(text: String) {
        let bytes = Array(text.utf8)
        for end in bytes.indices {
            survives(Array(bytes[..<end]))
            survives(Array(bytes[end...]))
        }
    }

    @Test(arguments: [native, yaml])
    func changedAtEveryByte(text: String) {
        let original = Array(text.utf8)
        let values = Array("\0\n \"'\\{}[]:,-*&?!|>%@#~0e<".utf8) + [0x80, 0xc3, 0xff]
        for index in original.indices {
            for value in values {
                var bytes = original
                bytes[index] = value
                survives(bytes)
            }
            var bytes = original
            bytes.remove(at: index)
            survives(bytes)
        }
    }

    @Test func changedCluster() throws {
        let original = try clusterJSON()
        var random = SplitMix(state: 1)
        for _ in 0..<300 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: .min ... .max, using: &random)
                case 1: bytes.removeSubrange(index..<min(index + 20, bytes.count))
                case 2: bytes.insert(contentsOf: bytes[index..<min(index + 20, bytes.count)], at: index)
                default: bytes.removeSubrange(index...)
                }
                if bytes.isEmpty { break }
            }
            survives(bytes)
        }
    }

    /// Values of the wrong type in every place of a document.
    @Test func everyValueReplaced() throws {
        let parts = String(decoding: try clusterJSON(), as: UTF8.self).split(separator: ": ")
        for (offset, replacement) in ["null", "[]", "{}", "-1", "1e99", "\"\"", "[[{}]]", "true"].enumerated() {
            for index in stride(from: 1 + offset % 5, to: parts.count, by: 5) {
                var changed = parts
                let rest = parts[index].drop { !",\n".contains($0) }
                changed[index] = Substring(replacement + rest)
                survives(Array(changed.joined(separator: ": ").utf8))
            }
        }
    }

    @Test func findingsAreTheSameEachTime() throws {
        let text = document(service(with: #", "x": 1, "y": 2, "z": 3, "ports": []"#), service(), service("é"))
        #expect(Set((0..<5).map { _ in complaints(text, text) }).count == 1)
    }
}

/// A small generator of always the same numbers.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
