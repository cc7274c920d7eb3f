import Foundation

/// A directory of files for one test; it goes with the object.
final class Files: Sendable {
    let directory: String

    init(_ contents: [String: String] = [:]) throws {
        let name = "svcctl-\(UUID().uuidString)"
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for (name, text) in contents { try write(text, to: name) }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// The path of a file in the directory.
    subscript(name: String) -> String { "\(directory)/\(name)" }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: self[name]))
    }
}

/// Definitions for tests.
enum Sample {
    /// One native service with two endpoints.
    static let web = """
        {"services": [{"name": "shop/web", "clusterIPs": ["10.96.0.10", "fd00:96::10"],
          "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}],
          "endpoints": [{"address": "10.244.1.2"}, {"address": "10.244.1.3"}, {"address": "fd00:244:1::2"}]}]}
        """

    /// Another one, in YAML, with an external address.
    static let dns = """
        services:
        - name: kube-system/dns
          clusterIPs: [10.96.0.53]
          externalIPs: [203.0.113.53]
          ports:
          - {name: dns, protocol: UDP, port: 53}
          - {name: dns-tcp, port: 53}
          endpoints:
          - address: 10.244.1.4
            weight: 3
        """

    /// A service with nothing behind it, in Kubernetes' form.
    static let empty = """
        apiVersion: v1
        kind: Service
        metadata: {name: empty, namespace: shop}
        spec:
          clusterIP: 10.96.0.99
          clusterIPs: [10.96.0.99]
          ports: [{port: 80, protocol: TCP}]
        """

    /// The parts of a service that is fine, with more members behind.
    static func service(_ name: String = "shop/web", address: String = "10.96.0.10", _ members: String = "") -> String {
        #"{"name": "\#(name)", "clusterIPs": ["\#(address)"], "ports": [{"port": 80}]\#(members)}"#
    }

    static func document(_ services: String...) -> String { #"{"services": [\#(services.joined(separator: ", "))]}"# }
}
