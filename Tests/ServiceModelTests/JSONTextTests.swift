import ServiceModel
import Testing

@Suite struct JSONTextTests {
    @Test(arguments: [
        ("{", "a:1:2: error: expected a key in double quotes or '}', found the end of the input"),
        ("{]", "a:1:2: error: expected a key in double quotes or '}', found ']'"),
        ("{'a': 1}", "a:1:2: error: expected a key in double quotes or '}', found a single quote"),
        ("{\"a\" 1}", "a:1:6: error: expected ':' after the key, found '1'"),
        ("{\"a\":}", "a:1:6: error: expected a value, found '}'"),
        ("{\"a\":1,}", "a:1:8: error: expected a key in double quotes after ',', found '}'"),
        ("{\"a\":1 \"b\":2}", "a:1:8: error: expected ',' or '}', found '\"'"),
        ("[1,]", "a:1:4: error: expected a value after ',', found ']'"),
        ("[1 2]", "a:1:4: error: expected ',' or ']', found '2'"),
        ("[01]", "a:1:2: error: a number must not start with 0"),
        ("[1.]", "a:1:4: error: expected a digit after '.', found ']'"),
        ("[-]", "a:1:3: error: expected a digit, found ']'"),
        ("[1e+]", "a:1:5: error: expected a digit in the exponent, found ']'"),
        ("[tru]", "a:1:2: error: expected true"),
        ("[nul", "a:1:2: error: expected null"),
        ("[\"abc", "a:1:2: error: the string that starts here does not end"),
        ("[\"a\nb\"]", "a:1:4: error: a string holds a control character; write it as an escape such as \\n"),
        ("[\"\\x\"]", "a:1:3: error: '\\' must be followed by one of \" \\ / b f n r t u"),
        ("[\"\\u12g4\"]", "a:1:3: error: \\u must be followed by four hexadecimal digits"),
        ("[\"\\ud800\"]", "a:1:3: error: a surrogate stands alone; characters beyond \\uffff need a pair"),
        ("[\"\\ud800\\u0041\"]", "a:1:3: error: a surrogate stands alone; characters beyond \\uffff need a pair"),
        ("[\"\\udc00\"]", "a:1:3: error: a surrogate stands alone; characters beyond \\uffff need a pair"),
        ("{} x", "a:1:4: error: expected a value, found 'x'"),
        ("{}\n // no", "a:2:2: error: expected a value, found '/'"),
        ("[é]", "a:1:2: error: expected a value, found a character that must stand within quotes"),
        ("[\"é\", é]", "a:1:7: error: expected a value, found a character that must stand within quotes"),
        ("\u{feff}[é]", "a:1:2: error: expected a value, found a character that must stand within quotes"),
    ])
    func refusesSyntax(text: String, complaint: String) {
        #expect(complaints(text) == [complaint])
    }

    @Test(arguments: ["", " ", "\n\t\r\n", "\u{feff}", "# a comment\n", "---\n---\n", "~"])
    func refusesEmpty(text: String) {
        #expect(complaints(text) == ["a: error: the input is empty"])
    }

    @Test(arguments: [
        "{\"services\": []}", "[]", "{\"services\": null}", "\u{feff} {\"services\": []} {\"services\": []}",
        "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": []}", "services: []", "kind: List\nitems:\n",
    ])
    func acceptsNothingToDo(text: String) throws { #expect(try decode(text) == Definitions()) }

    @Test(
        arguments: [
            [0xff], [0xc0, 0x80], [0xc3], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x80, 0x80, 0x80],
            [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82],
        ] as [[UInt8]])
    func refusesInvalidUTF8(bytes: [UInt8]) {
        for frame in ["[\"x", "- \"x"] {
            let input = DefinitionInput(name: "a", bytes: Array(frame.utf8) + bytes + Array("\"]".utf8))
            let error = #expect(throws: InvalidDefinitions.self) { try Definitions(decoding: [input]) }
            #expect(
                error?.findings.map(\.description) == ["a:1:\(frame.count + 1): error: the text is not valid UTF-8"])
        }
    }

    @Test func resolvesEscapes() throws {
        let name = #"\u0073hop\/w\u0065b"#
        #expect(try decode(document(service(name))).services.map(\.name.description) == ["shop/web"])
        #expect(try decode(#"{"\u0073ervices": [\#(service())]}"#).services.count == 1)
        let complaint =
            "a:1:24: error: services[0].name: the service name \"é😀\\u{7}\" is not a DNS label "
            + "(at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends)"
        #expect(complaints(document(service(#"\u00e9\uD83D\uDE00\u0007"#))) == [complaint])
    }

    @Test func refusesDeepNesting() {
        let complaint = "a:1:65: error: objects and lists are nested deeper than 64 levels"
        #expect(complaints(String(repeating: "[", count: 100_000)) == [complaint])
        #expect(complaints(String(repeating: "{\"a\":", count: 100_000)).count == 1)
    }

    @Test func refusesDuplicateKeys() {
        #expect(
            complaints(#"{"services": [], "services": []}"#) == [
                "a:1:18: error: services: the key \"services\" stands twice in this object; see a:1:2"
            ])
        #expect(complaints(#"{"services": [], "s\u0065rvices": []}"#).count == 1)
        let many = (0..<40).map { "\"k\($0 % 39)\": 1" }.joined(separator: ",\n")
        #expect(
            complaints("{\"kind\": \"List\", \"x\": {\(many)}}") == [
                "a:40:1: error: x.k0: the key \"k0\" stands twice in this object; see a:1:24"
            ])
    }

    @Test func refusesLargeInput() {
        let input = DefinitionInput(name: "big", bytes: Array(repeating: 0x20, count: (256 << 20) + 1))
        let error = #expect(throws: InvalidDefinitions.self) { try Definitions(decoding: [input]) }
        let complaint = "big: error: the input has 268435457 bytes; at most 256 MiB are read"
        #expect(error?.findings.map(\.description) == [complaint])
    }
}
