import NetAddress
import ServiceModel
import Testing

/// A service and its endpoints as documents of their own.
struct StoredServiceTests {
    private static let name = ServiceName(namespace: "shop", name: "web")
    private static let service = """
        {"name": "shop/web", "clusterIPs": ["10.96.0.1"],
         "ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "dns", "protocol": "UDP", "port": 53}],
         "endpoints": [{"address": "10.0.0.1", "ports": {"web": 8080}}]}
        """

    private func decode(_ service: String, _ endpoints: [String] = []) throws(InvalidDefinitions) -> Service {
        let inputs = endpoints.enumerated().map { DefinitionInput(name: "e\($0)", bytes: Array($1.utf8)) }
        let input = DefinitionInput(name: "s", bytes: Array(service.utf8))
        return try StoredService(decoding: input, named: Self.name, endpoints: inputs).service
    }

    @Test func endpointsFollowTheServicesOwn() throws {
        let service = try decode(
            Self.service,
            [
                #"{"address": "10.0.0.2", "ports": {"http": 81}, "weight": 0}"#,
                #"{"address": "10.0.0.1", "ports": {"web": 8081}}"#,
            ])
        #expect(service.endpoints.map(\.address.description) == ["10.0.0.1", "10.0.0.2", "10.0.0.1"])
        #expect(service.endpoints.map { $0.targetPort(for: service.ports[0]) } == [8080, 81, 8081])
        #expect(service.endpoints.map { $0.targetPort(for: service.ports[1]) } == [53, 53, 53])
    }

    /// The same as in one document.
    @Test func sameAsAnOrdinaryDefinition() throws {
        let document = DefinitionInput(name: "d", bytes: Array(#"{"services": [\#(Self.service)]}"#.utf8))
        #expect(try Definitions(decoding: [document]).services == [decode(Self.service)])
    }

    @Test(arguments: [
        ("[]", [], "s: error: expected an object in JSON"),
        ("name: shop/web", [], "s: error: expected an object in JSON"),
        (service + "{}", [], "s:3:65: error: expected one object, found more"),
        (
            service.replacing("shop/web", with: "shop/other"), [],
            #"s:1:10: error: name: the name "shop/other" does not match the key, which is of "shop/web""#
        ),
        (service, ["", "7"], "e0: error: expected an object in JSON; e1: error: expected an object in JSON"),
        (
            service, [#"{"address": "10.0.0.2"}"#],
            #"e0:1:1: error: the target port "web" has no number here; state it in "ports""#
        ),
        (
            service, [#"{"address": "10.0.0.1", "ports": {"http": 8080}}"#],
            "e0:1:1: error: the service has an endpoint 10.0.0.1 with the same ports already"
        ),
        (
            service, [#"{"address": "10.0.0.2", "ports": {"https": 1}, "extra": 1}"#],
            #"e0:1:1: error: the target port "web" has no number here; state it in "ports"; "#
                + #"e0:1:35: error: ports.https: the service has no port of the name "https"; did you mean "http"?; "#
                + #"e0:1:48: error: extra: unknown field "extra""#
        ),
    ])
    func refuses(service: String, endpoints: [String], complaint: String) {
        do {
            let decoded = try decode(service, endpoints)
            Issue.record("decoded \(decoded)")
        } catch {
            #expect(error.findings.map(\.description).joined(separator: "; ") == complaint)
        }
    }

    @Test func namesFromText() {
        #expect(ServiceName("shop/web") == Self.name)
        #expect(ServiceName("web") == ServiceName(namespace: "default", name: "web"))
        for text in ["", "/", "a/", "/a", "a/b/c", "A", "a b", "-a", String(repeating: "a", count: 64)] {
            #expect(ServiceName(text) == nil)
        }
    }
}
