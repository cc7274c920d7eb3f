import NetAddress
import ServiceModel
import Testing

@Suite struct YAMLTextTests {
    @Test func readsBothFormsInOneFile() throws {
        let definitions = try decode(
            """
            # native
            services:
              - name: shop/web
                clusterIPs: [10.96.0.10, "fd00:96::10"]
                ports:
                  - {name: http, port: 0x50, targetPort: 8_080}
                publishNotReadyAddresses: yes
                endpoints:
                  - address: 10.244.1.5
                    conditions: {ready: off}
            ---
            apiVersion: v1
            kind: Service
            metadata:
              name: api
              namespace: shop
              creationTimestamp: 2026-11-23T21:31:43Z
            spec:
              clusterIP: 10.96.0.11
              ports:
              - port: 443
            ---
            """)
        #expect(definitions.services.map(\.name.description) == ["shop/api", "shop/web"])
        let web = try #require(definitions.services.last)
        #expect(web.clusterIPs.map(\.description) == ["10.96.0.10", "fd00:96::10"])
        #expect(web.ports == [ServicePort(name: "http", port: 80, target: .number(8080))])
        #expect(web.publishNotReadyAddresses)
        #expect(web.endpoints.first?.conditions == [.isServing])
        #expect(definitions.services.first?.creationTimestamp == "2026-11-23T21:31:43Z")
    }

    @Test(arguments: [
        ("services: [", "a:2:1: error: while parsing a flow node: did not find expected node content"),
        (
            "services:\n  - name: a\n\tports: 1",
            "a:3:1: error: while scanning a plain scalar: "
                + "found a tab character that violates indentation"
        ),
        ("a: 1\na: 2", "a:1:1: error: a key stands twice in one mapping: \"a\""),
        ("services: *x", "a:1:11: error: found undefined alias"),
        ("? [a]\n: 1", "a:1:3: error: a key must be a string"),
        ("services:\n- <<: 1", "a:2:7: error: \"<<\" must be followed by a mapping or a list of them"),
        ("services:\n- name: 1", "a:2:9: error: services[0].name: expected a string, found the number 1"),
        ("services:\n- name: no", "a:2:9: error: services[0].name: expected a string, found false"),
        ("services:\n- name: \"é\"\n  é: ü", "a:3:3: error: services[0][\"é\"]: unknown field \"é\""),
        ("services: \"\u{7}\"", "a:1:12: error: control characters are not allowed"),
        ("hello", "a:1:1: error: expected an object, found \"hello\""),
    ])
    func refuses(text: String, complaint: String) {
        #expect(complaints(text).contains(complaint))
    }

    @Test(arguments: [
        "\"8080\"", "8080.0", "1e3", "010000000", "0b", "8080x", "true", ".inf", "1:30", "+-1", "99999999999999999999",
    ])
    func refusesPort(text: String) {
        let yaml = "services:\n- name: a\n  clusterIPs: [10.0.0.1]\n  ports:\n  - port: \(text)"
        #expect(complaints(yaml).first?.hasPrefix("a:5:11: error: services[0].ports[0].port: ") == true)
    }

    @Test(arguments: [
        ("80", 80), ("+80", 80), ("0x1F", 31), ("0o17", 15), ("017", 15), ("0b11", 3), ("1_000", 1000),
        ("!!int \"80\"", 80),
    ])
    func readsNumber(text: String, number: UInt16) throws {
        let yaml = "services:\n- name: a\n  clusterIPs: [10.0.0.1]\n  ports:\n  - port: \(text)"
        #expect(try decode(yaml).services.first?.ports.first?.port == number)
    }

    @Test func expandsAliasesAndMerges() throws {
        let definitions = try decode(
            """
            services:
            - &base
              name: a
              clusterIPs: [10.0.0.1]
              ports: &ports
              - {port: 80}
              scheduler: maglev
            - <<: *base
              name: b
              clusterIPs: [10.0.0.2]
            - {name: c, clusterIPs: [10.0.0.3], ports: *ports}
            """)
        #expect(definitions.services.map(\.name.name) == ["a", "b", "c"])
        #expect(definitions.services.map(\.scheduler) == [.maglev, .maglev, .random])
        #expect(definitions.services.allSatisfy { $0.ports == [ServicePort(name: "", port: 80)] })
    }

    /// Nine levels of nine aliases stand for 387 million values.
    @Test(
        arguments: [
            { (level: Int, aliases: String) in "l\(level): &l\(level) [\(aliases)]" },
            { (level: Int, aliases: String) in "l\(level): &l\(level) {<<: [\(aliases)], k\(level): 1}" },
            { (level: Int, aliases: String) in "l\(level): &l\(level) {? [\(aliases)] : 1}" },
            { (level: Int, aliases: String) in "l\(level): &l\(level) {[\(aliases)]: 1}" },
        ] as [@Sendable (Int, String) -> String])
    func survivesAliasBombs(line: @Sendable (Int, String) -> String) {
        var lines = ["l0: &l0 {a: 1}"]
        for level in 1...9 {
            lines.append(line(level, Array(repeating: "*l\(level - 1)", count: 9).joined(separator: ", ")))
        }
        #expect(complaints(lines.joined(separator: "\n")).count == 1)
    }

    @Test(arguments: [
        String(repeating: "[", count: 100_000), "a: " + String(repeating: "[", count: 100_000),
        "a: " + String(repeating: "{a: ", count: 100_000), String(repeating: "- ", count: 100_000),
        String(repeating: "? ", count: 100_000), "a: " + String(repeating: "[a: ", count: 50_000),
        (0..<3000).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n"),
        (0..<200).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n") + " 1",
    ])
    func survivesDeepNesting(text: String) { #expect(complaints(text).count == 1) }

    @Test func refusesLargeYAML() {
        let text = "# " + String(repeating: "x", count: 33 << 20)
        #expect(
            complaints(text) == ["a: error: YAML larger than 32 MiB is not read; write large inputs as JSON"])
    }
}
