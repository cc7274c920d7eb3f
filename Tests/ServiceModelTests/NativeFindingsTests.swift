import ServiceModel
import Testing

@Suite struct NativeFindingsTests {
    /// Members of a service that is fine without them, and what is wrong with it then (behind `services[0]`).
    @Test(arguments: [
        (#""clusterIp": []"#, #".clusterIp: unknown field "clusterIp"; did you mean "clusterIPs"?"#),
        (#""colour": 1"#, #".colour: unknown field "colour""#),
        (#""externalIPs": "203.0.113.7""#, #".externalIPs: expected a list, found "203.0.113.7""#),
        (
            #""externalIPs": ["203.0.113.7/32"]"#,
            #".externalIPs[0]: "203.0.113.7/32" is not an IP address; leave out the prefix length"#
        ),
        (
            #""externalIPs": ["010.1.1.1"]"#,
            #".externalIPs[0]: "010.1.1.1" is not an IP address; leave out leading zeros"#
        ),
        (
            #""externalIPs": ["127.0.0.1"]"#,
            ".externalIPs[0]: 127.0.0.1 is a loopback address; it cannot be a service's address"
        ),
        (
            #""loadBalancerIPs": ["fe80::1"]"#,
            ".loadBalancerIPs[0]: fe80::1 is a link-local address; it cannot be a service's address"
        ),
        (#""externalIPs": ["10.1.1.1", "10.1.1.1"]"#, ".externalIPs[1]: 10.1.1.1 stands twice in this list"),
        (
            #""loadBalancerSourceRanges": ["10.0.0.0"]"#,
            #".loadBalancerSourceRanges[0]: "10.0.0.0" is not an address block such as 198.51.100.0/24"#
        ),
        (#""allow": "10.0.0.0/8""#, #".allow: expected a list, found "10.0.0.0/8""#),
        (
            #""allow": ["10.0.0.0/33"]"#,
            #".allow[0]: "10.0.0.0/33" is not an address block such as 198.51.100.0/24"#
        ),
        (
            #""deny": ["fd00::/8", "10.0.0.1"]"#,
            #".deny[1]: "10.0.0.1" is not an address block such as 198.51.100.0/24"#
        ),
        (#""deny": [7]"#, ".deny[0]: expected a string, found the number 7"),
        (#""alow": []"#, #".alow: unknown field "alow"; did you mean "allow"?"#),
        (#""maxConnections": 0"#, ".maxConnections: the number 0 is not a whole number from 1 to 16777215"),
        (
            #""maxConnections": 16777216"#,
            ".maxConnections: the number 16777216 is not a whole number from 1 to 16777215"
        ),
        (#""maxConnections": "9""#, #".maxConnections: expected a number from 1 to 16777215, found "9""#),
        (#""maxConnections": {}"#, #".maxConnections: a limit of connections needs "perService" or "perSource""#),
        (
            #""maxConnections": {"perSource": null}"#,
            #".maxConnections: a limit of connections needs "perService" or "perSource""#
        ),
        (
            #""maxConnections": {"perSource": 1.5}"#,
            ".maxConnections.perSource: the number 1.5 is not a whole number from 1 to 16777215"
        ),
        (
            #""maxConnections": {"perSorce": 1}"#,
            #".maxConnections.perSorce: unknown field "perSorce"; did you mean "perSource"?"#
        ),
        (
            #""newConnectionsPerSecond": 0"#,
            ".newConnectionsPerSecond: the number 0 is not a whole number from 1 to 1000000"
        ),
        (
            #""newConnectionsPerSecond": [5]"#,
            ".newConnectionsPerSecond: expected a number from 1 to 1000000, found a list"
        ),
        (
            #""newConnectionsPerSecond": {"burst": 5}"#,
            #".newConnectionsPerSecond: a rate of new connections needs "perSource""#
        ),
        (
            #""newConnectionsPerSecond": {"perSource": 1000001}"#,
            ".newConnectionsPerSecond.perSource: the number 1000001 is not a whole number from 1 to 1000000"
        ),
        (
            #""newConnectionsPerSecond": {"perSource": 5, "burst": -1}"#,
            ".newConnectionsPerSecond.burst: the number -1 is not a whole number from 1 to 1000000"
        ),
        (
            #""newConnectionsPerSecond": {"perSource": 5, "brust": 1}"#,
            #".newConnectionsPerSecond.brust: unknown field "brust"; did you mean "burst"?"#
        ),
        (
            #""internalTrafficPolicy": "local""#,
            #".internalTrafficPolicy: expected "Cluster" or "Local", found "local"; did you mean "Local"?"#
        ),
        (
            #""healthCheckNodePort": 32000"#,
            #".healthCheckNodePort: a health check port needs "externalTrafficPolicy": "Local""#
        ),
        (
            #""sessionAffinity": {"clientIP": {"timeoutSeconds": 0}}"#,
            ".sessionAffinity.clientIP.timeoutSeconds: the number 0 is not a whole number from 1 to 86400"
        ),
        (
            #""sessionAffinity": {"clientIp": {}}"#,
            #".sessionAffinity.clientIp: unknown field "clientIp"; did you mean "clientIP"?"#
        ),
        (
            #""trafficDistribution": "PreferSameZon""#,
            #".trafficDistribution: expected "PreferClose" or "PreferSameZone" or "PreferSameNode", "#
                + #"found "PreferSameZon"; did you mean "PreferSameZone"?"#
        ),
        (#""publishNotReadyAddresses": "yes""#, #".publishNotReadyAddresses: expected true or false, found "yes""#),
        (
            #""endpoints": [{"address": "127.0.0.1"}]"#,
            ".endpoints[0].address: 127.0.0.1 is a loopback address; it cannot be an endpoint's address"
        ),
        (
            #""endpoints": [{"address": "169.254.1.1"}]"#,
            ".endpoints[0].address: 169.254.1.1 is a link-local address; it cannot be an endpoint's address"
        ),
        (
            #""endpoints": [{"address": "ff02::1"}]"#,
            ".endpoints[0].address: ff02::1 is a multicast address; it cannot be an endpoint's address"
        ),
        (
            #""endpoints": [{"address": "::"}]"#,
            ".endpoints[0].address: :: is the unspecified address; it cannot be an endpoint's address"
        ),
        (
            #""endpoints": [{"address": "255.255.255.255"}]"#,
            ".endpoints[0].address: 255.255.255.255 is the broadcast address; it cannot be an endpoint's address"
        ),
        (
            #""endpoints": [{"address": "::ffff:10.1.1.1"}]"#,
            ".endpoints[0].address: ::ffff:10.1.1.1 is an IPv4 address in IPv6 form; write it as IPv4; "
                + "it cannot be an endpoint's address"
        ),
        (#""endpoints": [{}]"#, ".endpoints[0]: an endpoint needs an address"),
        (#""endpoints": [5]"#, ".endpoints[0]: expected an object, found the number 5"),
        (
            #""endpoints": [{"address": "10.1.1.1", "weight": 65536}]"#,
            ".endpoints[0].weight: the number 65536 is not a whole number from 0 to 65535"
        ),
        (
            #""endpoints": [{"address": "10.1.1.1", "weight": -1}]"#,
            ".endpoints[0].weight: the number -1 is not a whole number from 0 to 65535"
        ),
        (
            #""endpoints": [{"address": "10.1.1.1", "ports": {"htp": 1}}]"#,
            #".endpoints[0].ports.htp: the service has no port of the name "htp""#
        ),
        (
            #""endpoints": [{"address": "10.1.1.1", "zone": "a\nb"}]"#,
            #".endpoints[0].zone: the zone "a\u{a}b" is not at most 63 letters, digits, '-', '_' and '.', "#
                + "with a letter or digit at both ends"
        ),
        (
            #""endpoints": [{"address": "10.1.1.1", "nodeName": "Node"}]"#,
            #".endpoints[0].nodeName: the node name "Node" is not a DNS name (a-z, 0-9, '-' and '.')"#
        ),
        (
            #""endpoints": [{"address": "10.1.1.1", "conditions": {"redy": true}}]"#,
            #".endpoints[0].conditions.redy: unknown field "redy"; did you mean "ready"?"#
        ),
        (
            #""endpoints": [{"address": "10.1.1.1"}, {"address": "10.1.1.1"}]"#,
            ".endpoints[1]: the endpoint 10.1.1.1 stands twice with the same ports; see a:1:105"
        ),
        (
            #""endpoints": [{"address": "10.1.1.1"}, {"address": "10.1.1.1", "ports": {"": 80}}]"#,
            ".endpoints[1]: the endpoint 10.1.1.1 stands twice with the same ports; see a:1:105"
        ),
    ])
    func inService(members: String, complaint: String) throws {
        let text = document(service(with: ", " + members))
        let found = complaints(text)
        #expect(found.count == 1)
        let line = try #require(found.first)
        #expect(line.hasSuffix(": error: services[0]" + complaint), "\(line)")
    }

    /// All at once: one mistake hides no other, and no warning.
    @Test func everythingAboutLimitsAtOnce() {
        let members =
            #", "maxConnections": {"perService": 0, "perSource": "a"}, "newConnectionsPerSecond": {"burst": true}, "#
            + #""deny": ["0.0.0.0/0", "x"]"#
        #expect(
            complaints(document(service(with: members))).map { String($0.drop { $0 != " " }.dropFirst()) } == [
                "error: services[0].maxConnections.perService: the number 0 is not a whole number from 1 to 16777215",
                #"error: services[0].maxConnections.perSource: expected a number from 1 to 16777215, found "a""#,
                "error: services[0].newConnectionsPerSecond.burst: expected a number from 1 to 1000000, found true",
                "warning: services[0].deny[0]: 0.0.0.0/0 denies every IPv4 client: "
                    + "nobody can use the service by IPv4",
                #"error: services[0].deny[1]: "x" is not an address block such as 198.51.100.0/24"#,
            ])
    }

    @Test(arguments: [
        (#"{"port": 0}"#, "[0].port: the number 0 is not a whole number from 1 to 65535"),
        (#"{"port": 65536}"#, "[0].port: the number 65536 is not a whole number from 1 to 65535"),
        (#"{"port": 80.5}"#, "[0].port: the number 80.5 is not a whole number from 1 to 65535"),
        (#"{"port": "80"}"#, #"[0].port: expected a number from 1 to 65535, found "80""#),
        (#"{}"#, #"[0]: a port needs a number: "port""#),
        (#"{"port": 80, "protocol": "tcp"}"#, #"[0].protocol: expected "TCP", "UDP" or "SCTP", found "tcp""#),
        (
            #"{"port": 80, "targetPort": "8080"}"#,
            #"[0].targetPort: the target port "8080" is a number in quotes; leave out the quotes"#
        ),
        (#"{"port": 80, "nodePort": 0}"#, "[0].nodePort: the number 0 is not a whole number from 1 to 65535"),
        (
            #"{"port": 80, "name": "Web"}"#,
            "[0].name: the port name \"Web\" is not a DNS label "
                + "(at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends)"
        ),
        (#"{"port": 80, "name": "a"}, {"port": 81}"#, "[1]: a service with more than one port needs a name for each"),
        (
            #"{"port": 80, "name": "a"}, {"port": 81, "name": "a"}"#,
            #"[1].name: the port name "a" stands twice; see a:1:76"#
        ),
        (#"{"port": 80, "name": "a"}, {"port": 80, "name": "b"}"#, "[1].port: TCP port 80 stands twice; see a:1:76"),
        (
            #"{"port": 80, "name": "a", "nodePort": 3}, {"port": 81, "name": "b", "nodePort": 3}"#,
            "[1].nodePort: TCP node port 3 stands twice; see a:1:76"
        ),
    ])
    func inPorts(ports: String, complaint: String) throws {
        let found = complaints(document(#"{"name": "shop/web", "clusterIPs": ["10.96.0.10"], "ports": [\#(ports)]}"#))
        #expect(found.count == 1)
        let line = try #require(found.first)
        #expect(line.hasSuffix(": error: services[0].ports" + complaint), "\(line)")
    }

    @Test(arguments: [
        (#"{}"#, "services[0]: a service needs a name"),
        (
            #"{"name": "a/b/c", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 1}]}"#,
            #"services[0].name: "a/b/c" is not a name of the form "namespace/name""#
        ),
        (
            #"{"name": "A/b", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 1}]}"#,
            #"services[0].name: the namespace "A" is not a DNS label "#
                + "(at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends)"
        ),
        (#"{"name": "a", "clusterIPs": ["10.0.0.1"]}"#, "services[0]: a service needs at least one port"),
        (
            #"{"name": "a", "ports": [{"port": 1}]}"#,
            "services[0]: a service needs an address: one of clusterIPs, externalIPs and loadBalancerIPs, "
                + "or a nodePort"
        ),
        (
            #"{"name": "a", "clusterIPs": ["10.0.0.1", "10.0.0.2"], "ports": [{"port": 1}]}"#,
            "services[0].clusterIPs[1]: a service has one cluster IP of a family, and 10.0.0.1 is IPv4 too"
        ),
        (
            #"{"name": "a", "clusterIPs": ["10.0.0.1"], "scheduler": "magleev", "ports": [{"port": 1}]}"#,
            #"services[0].scheduler: expected "random" or "roundRobin" or "sourceHash" or "maglev" or "rr" or "wrr" "#
                + #"or "lc" or "wlc" or "sh" or "dh" or "sed" or "nq" or "lblc" or "lblcr" or "mh" or "fo" or "ovf", "#
                + #"found "magleev"; did you mean "maglev"?"#
        ),
        (
            #"{"name": "a", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 1, "targetPort": "web"}], "#
                + #""endpoints": [{"address": "10.1.1.1"}]}"#,
            #"services[0].endpoints[0]: the target port "web" has no number here; state it in "ports""#
        ),
        (
            #"{"name": "a", "clusterIPs": ["10.0.0.1"], "scheduler": "rr", "schedulerFlags": ["port"], "#
                + #""ports": [{"port": 1}]}"#,
            #"services[0].schedulerFlags: the schedulers "sh" and "mh" have flags, "rr" has none"#
        ),
        (
            #"{"name": "a", "clusterIPs": ["10.0.0.1"], "scheduler": "sh", "schedulerFlags": ["ports"], "#
                + #""ports": [{"port": 1}]}"#,
            #"services[0].schedulerFlags[0]: expected "fallback" or "port", found "ports"; did you mean "port"?"#
        ),
        (
            #"{"name": "a", "clusterIPs": ["10.0.0.1"], "onePacket": true, "ports": [{"port": 1}]}"#,
            "services[0].onePacket: only UDP can be scheduled packet by packet, and a port of this service is not UDP"
        ),
        (
            #"{"name": "a", "clusterIPs": ["10.0.0.1"], "forwardingMethod": "dr", "ports": [{"port": 1}]}"#,
            #"services[0].forwardingMethod: expected "masquerade" or "direct" or "tunnel", found "dr""#
        ),
    ])
    func inServices(text: String, complaint: String) throws {
        let found = complaints(document(text))
        #expect(found.count == 1)
        let line = try #require(found.first)
        #expect(line.hasSuffix(": error: " + complaint), "\(line)")
    }

    @Test(arguments: [
        (#"{"service": []}"#, #"a:1:2: error: service: unknown field "service"; did you mean "services"?"#),
        (#"{"services": [], "version": 1}"#, #"a:1:18: error: version: unknown field "version""#),
        ("{}", #"a:1:1: error: expected definitions ("services") or a Kubernetes object ("kind"), found neither"#),
        ("[1]", "a:1:2: error: [0]: expected an object, found the number 1"),
        (#"{"services": {}}"#, "a:1:14: error: services: expected a list, found an object"),
    ])
    func inDocument(text: String, complaint: String) { #expect(complaints(text) == [complaint]) }

    @Test func betweenServices() {
        let first = document(service("a/a", address: "10.0.0.1", with: #", "loadBalancerIPs": ["192.0.2.1"]"#))
        let second =
            "\n"
            + document(
                service("a/a", address: "10.0.0.9"),
                #"{"name": "a/b", "externalIPs": ["192.0.2.1"], "ports": [{"port": 80, "nodePort": 30000}]}"#,
                #"{"name": "a/c", "clusterIPs": ["10.0.0.3"], "externalTrafficPolicy": "Local", "ports": [{"port": 80, "#
                    + #""nodePort": 30000}], "healthCheckNodePort": 30000}"#)
        #expect(
            complaints(first, second) == [
                #"b:2:24: error: services[0].name: the service "a/a" is defined twice; see a:1:15"#,
                #"b:2:141: error: services[1].ports[0]: 192.0.2.1 TCP port 80 is claimed by the service "a/a" too; see a:1:15"#,
                #"b:2:176: error: services[2]: health check node port 30000 is claimed by the service "a/b" too; see b:2:85"#,
                #"b:2:264: error: services[2].ports[0]: TCP node port 30000 is claimed by the service "a/b" too; see b:2:85"#,
            ])
    }

    @Test func reportsEverythingInOrder() {
        let found = complaints(
            "{\"services\": [\n{\"name\": \"A\"},\n{\"nam\": 1},\n{\"name\": \"a\", \"ports\": [{\"port\": 0}, 1]}]}",
            "{", "services:\n- 1\n")
        #expect(
            found.map { String($0.prefix { $0 != " " }) } == [
                "a:2:1:", "a:2:1:", "a:2:10:", "a:3:1:", "a:3:2:", "a:4:34:", "a:4:38:", "b:1:2:", "c:2:3:",
            ])
    }

    @Test func stopsShowingAtAHundred() {
        let found = complaints(document(Array(repeating: "1", count: 5000).joined(separator: ", ")))
        #expect(found.count == 101)
        #expect(found.first == "a:1:15: error: services[0]: expected an object, found the number 1")
        #expect(found.dropLast().last?.contains("services[99]") == true)
        #expect(found.last == "a: error: 4900 more errors are not shown")
    }
}
