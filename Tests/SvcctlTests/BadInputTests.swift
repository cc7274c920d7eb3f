import DataplaneTestKit
import Foundation
import Glibc
import Testing

/// Inputs that are broken, hostile or too large, on the command line. Findings alone are in the model's own tests.
struct BadInputTests {
    /// A text, where the complaint stands, and what it says.
    struct Complaint: Sendable, CustomTestStringConvertible {
        var name: String
        var text: String
        var place: String
        var words: [String]

        init(_ name: String, _ text: String, _ place: String, _ words: String...) {
            self.name = name
            self.text = text
            self.place = place
            self.words = words
        }

        var testDescription: String { name }
    }

    static let syntax = [
        Complaint("empty", "", "", "empty"),
        Complaint("white space", " \n\t\n", "", "empty"),
        Complaint(
            "JSON: comma", "{\"services\": [\n  {\"name\": \"a\",, }]}", ":2:16", "expected a key in double quotes"),
        Complaint("JSON: cut off", "{\"services\": [\n", ":2:1", "the end of the input"),
        Complaint("JSON: single quotes", "{'services': []}", ":1:2", "single quote"),
        Complaint("JSON: text behind", "{\"services\": []} x", ":1:18", "expected a value"),
        Complaint("YAML: indentation", "services:\n- name: a\n   ports: []\n", ":3:9", "mapping values"),
        Complaint("YAML: cut off", "services:\n- name: a\n  ports: [\n", ":4:1", "flow node"),
        Complaint("YAML: tab", "services:\n\t- name: a\n", ":2:1", "cannot start any token"),
        Complaint("YAML: alias without anchor", "services: *none\n", ":1:11", "undefined alias"),
        Complaint("not text", "\u{0}\u{1}\u{2}", ":1:1", "control character"),
    ]

    @Test(arguments: syntax)
    func syntaxErrors(complaint: Complaint) throws { try expect(complaint) }

    /// What the interface says is refused, each with the place of the value at fault.
    static let refusals = [
        Complaint(
            "unknown field", Sample.document(Sample.service("a", address: "10.0.0.1", #", "externalIP": []"#)), ":1:82",
            #"unknown field "externalIP"; did you mean "externalIPs"?"#),
        Complaint(
            "unknown field in YAML",
            "services:\n- name: a\n  clusterIPs: [10.0.0.1]\n  ports: [{port: 80}]\n  endponts: []\n", ":5:3",
            #"unknown field "endponts"; did you mean "endpoints"?"#),
        Complaint(
            "name twice",
            Sample.document(Sample.service("a/a", address: "10.0.0.1"), Sample.service("a/a", address: "10.0.0.2")),
            ":1:94", #"the service "a/a" is defined twice; see"#, "bad:1:15"),
        Complaint(
            "address and port in two services", Sample.document(Sample.service("a/a"), Sample.service("a/b")), ":1:143",
            #"10.96.0.10 TCP port 80 is claimed by the service "a/a" too; see"#, "bad:1:15"),
        Complaint(
            "port 0", #"{"services": [{"name": "a", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 0}]}]}"#, ":1:76",
            "1 to 65535"),
        Complaint(
            "port 65536", #"{"services": [{"name": "a", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 65536}]}]}"#,
            ":1:76", "1 to 65535"),
        endpoint("127.0.0.2", "a loopback address"),
        endpoint("::1", "a loopback address"),
        endpoint("169.254.0.9", "a link-local address"),
        endpoint("fe80::1", "a link-local address"),
        endpoint("224.0.0.1", "a multicast address"),
        endpoint("ff02::1", "a multicast address"),
        endpoint("0.0.0.0", "the unspecified address"),
        endpoint("::", "the unspecified address"),
        Complaint(
            "families mixed in a slice",
            Sample.empty + """

                ---
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                addressType: IPv4
                metadata: {name: a-1, namespace: shop, labels: {kubernetes.io/service-name: empty}}
                ports: [{name: "", port: 80}]
                endpoints: [{addresses: ["fd00::1"]}]
                """, ":14:26", "fd00::1", "IPv4"),
        Complaint(
            "two cluster IPs of a family",
            #"{"services": [{"name": "a", "clusterIPs": ["10.0.0.1", "10.0.0.2"], "ports": [{"port": 1}]}]}"#, ":1:56",
            "one cluster IP of a family"),
        Complaint("name with capitals", Sample.document(Sample.service("Shop/web")), ":1:24", "not a DNS label"),
        Complaint("name with a dot", Sample.document(Sample.service("shop/web.v1")), ":1:24", "not a DNS label"),
        Complaint(
            "port name",
            #"{"services": [{"name": "a", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 1, "name": "-x"}]}]}"#,
            ":1:87", "not a DNS label"),
        endpoint("10.244.1.1", "0 to 65535", #", "weight": -1"#),
        endpoint("10.244.1.1", "0 to 65535", #", "weight": 65536"#),
        Complaint(
            "Kubernetes: port 0", Sample.empty.replacing("port: 80", with: "port: 0"), ":7:18", "1 to 65535"),
        Complaint(
            "Kubernetes: name", Sample.empty.replacing("name: empty", with: "name: \"a b\""), ":3:18", "not a DNS label"
        ),
    ]

    private static func endpoint(_ address: String, _ words: String, _ more: String = "") -> Complaint {
        let members = #", "endpoints": [{"address": "\#(address)"\#(more)}]"#
        let column = more.isEmpty ? 117 : 141
        return Complaint(
            "endpoint \(address)\(more)", Sample.document(Sample.service("shop/web", address: "10.96.0.10", members)),
            ":1:\(column)", words)
    }

    @Test(arguments: refusals)
    func refused(complaint: Complaint) throws { try expect(complaint) }

    private func expect(_ complaint: Complaint) throws {
        let files = try Files(["bad": complaint.text])
        let result = try Svcctl.run("apply", "--dry-run", files["bad"])
        #expect(result.status == 65)
        #expect(result.output.isEmpty)
        let lines = result.errors.split(separator: "\n").map(String.init)
        let line = try #require(lines.first)
        #expect(line.hasPrefix(files["bad"] + complaint.place + ": error: "), "\(line)")
        for words in complaint.words { #expect(line.contains(words), "\(line)") }
        #expect(lines.dropFirst() == ["svcctl: 1 error in the definitions; nothing was changed"])
    }

    // MARK: - Size

    /// 300 MB that are not there: the size alone is reason enough.
    @Test func hugeFile() throws {
        let files = try Files(["huge.json": "{"])
        #expect(truncate(files["huge.json"], 300_000_000) == 0)
        let clock = ContinuousClock()
        for command in ["check", "apply"] {
            var result = ProgramResult(status: 0, output: "", errors: "")
            let time = try clock.measure { result = try Svcctl.run(command, files["huge.json"]) }
            #expect(result.status == 66)
            #expect(
                result.errors
                    == "svcctl: \(files["huge.json"]): larger than 256 MiB, the most that one input may have; split it\n"
            )
            #expect(time < .seconds(5))
        }
    }

    /// Depth must not end in a full stack.
    @Test(arguments: [
        String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
        String(repeating: #"{"a":"#, count: 100_000),
        #"{"services": \#(String(repeating: "[", count: 100_000))"#,
        "services: " + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
        "services: " + String(repeating: "{a: ", count: 100_000),
        String(repeating: "- ", count: 100_000) + "a",
        "a: &a [" + String(repeating: "[", count: 100_000),
    ])
    func deeplyNested(text: String) throws {
        let files = try Files(["deep": text])
        let result = try Svcctl.run("check", files["deep"])
        #expect(result.status == 65)
        let line = try #require(result.output.split(separator: "\n").first)
        #expect(line.contains("nest"))
        #expect(line.hasPrefix("\(files["deep"]):1:"))
    }

    // MARK: - Text that would be something else elsewhere

    /// No text of a definition reaches the rules unless it is a harmless name, and none reaches the terminal raw.
    @Test(arguments: [
        "a\" }", "a\\", "a\nflush ruleset", "a\r", "a\u{1b}[31m", "a\u{7}", "a;b", "a b", "$(reboot)", "`id`", "a'b",
        "a/b/c",
        "@a", "a\u{0}b", "a\u{7f}", "é", "a\u{202e}b", "-a", "a#b", String(repeating: "a", count: 64), "",
    ])
    func hostileNames(name: String) throws {
        let quoted = String(decoding: try JSONEncoder().encode(name), as: UTF8.self)
        let port = #"{"port": 80, "name": "x"}"#
        let texts = [
            #"{"services": [{"name": \#(quoted), "clusterIPs": ["10.0.0.1"], "ports": [\#(port)]}]}"#,
            #"{"services": [{"name": "a", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "name": \#(quoted)}, \#(port)]}]}"#,
            #"{"services": [{"name": "a", "clusterIPs": ["10.0.0.1"], "ports": [{"port": \#(quoted)}]}]}"#,
            #"{"kind": "Service", "apiVersion": "v1", "metadata": {"name": \#(quoted), "namespace": "a"}, "#
                + #""spec": {"clusterIP": "10.0.0.1", "ports": [\#(port)]}}"#,
            #"{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "a"}, "#
                + #""spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 81, "name": \#(quoted)}, \#(port)]}}"#,
        ]
        let files = try Files()
        for (index, text) in texts.enumerated() { try files.write(text, to: "\(index)") }
        for index in texts.indices {
            for command in [["apply", "--dry-run"], ["check"]] {
                let result = try hostProgram([Svcctl.path()] + command + [files["\(index)"]])
                #expect(result.status == 65, "text \(index)")
                #expect(!result.output.contains("table"))
                let isPlain = (result.output + result.errors).unicodeScalars.allSatisfy { scalar in
                    scalar == "\n" || !["Cc", "Cf"].contains(scalar.properties.generalCategory.shortName)
                }
                #expect(isPlain, "text \(index): \((result.output + result.errors).debugDescription)")
            }
        }
    }
}

extension Unicode.GeneralCategory {
    fileprivate var shortName: String {
        switch self {
        case .control: "Cc"
        case .format: "Cf"
        default: ""
        }
    }
}
