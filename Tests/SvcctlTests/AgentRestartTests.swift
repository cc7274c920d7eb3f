import DataplaneTestKit
import Foundation
import Glibc
import Testing

/// What an agent that is started again believes of the kernel must be so, whatever has happened meanwhile.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces), .serialized)
struct AgentRestartTests {
    /// Services that have exchanged their limits while no agent ran: each process numbers limits on its own.
    @Test func seesThatServicesHaveExchangedTheirLimits() async throws {
        let namespace = try NetworkNamespace("restart")
        let files = try Files()
        func define(_ rates: [Int]) throws {
            let services = rates.enumerated().map { number, rate in
                Sample.service(
                    "shop/s\(number)", address: "10.96.0.\(10 + number)",
                    #", "newConnectionsPerSecond": \#(rate), "endpoints": [{"address": "10.244.1.2"}]"#)
            }
            try files.write(#"{"services": [\#(services.joined(separator: ", "))]}"#, to: "services/web.json")
        }
        try FileManager.default.createDirectory(atPath: files["services"], withIntermediateDirectories: true)
        let rates = [10, 20, 30, 40]
        for shift in 0..<4 {
            try define(Array(rates[shift...] + rates[..<shift]))
            let agent = try await AgentProcess.ready(in: namespace, files)
            let difference = try namespace.svcctl("diff", files["services"])
            #expect(difference.status == 0, "\(difference)")
            #expect(try agent.stop().status == 0)
        }
    }

    /// Agents one after another, with other definitions, options and backends, ended in any way; and in between what others
    /// do, of ours or not.
    @Test func seesWhateverHappensBetweenStarts() async throws {
        let namespace = try NetworkNamespace("restart")
        try namespace.ip(["link set lo up"])
        let files = try Files()
        try FileManager.default.createDirectory(atPath: files["services"], withIntermediateDirectories: true)
        for round in 0..<20 {
            var options: [String] = []
            if Bool.random() { options += ["--masquerade-bit", "15"] }
            if Bool.random() { options += ["--cluster-cidr", "10.244.0.0/16"] }
            if Bool.random() { options += ["--nodeport-addresses", "127.0.0.0/8"] }
            let backend = ["nftables", "nftables", "nftables", "iptables"].randomElement() ?? ""
            try files.write(Self.definitions(), to: "services/web.json")
            let agent = try await AgentProcess.ready(in: namespace, files, options + ["--backend", backend])
            for _ in 0..<Int.random(in: 0...3) {
                try agent.define(Self.definitions())
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...40)))
            }
            let diff = ["diff", "--backend", backend, files["services"]] + options
            let isRight = try await agent.until { try namespace.svcctl(diff).status == 0 }
            let difference = try isRight ? nil : namespace.svcctl(diff)
            #expect(isRight, "round \(round): \(String(describing: difference))")
            if Bool.random() { try agent.define(Self.definitions()) }
            agent.signal([SIGKILL, SIGTERM].randomElement() ?? SIGKILL)
            _ = try agent.wait()
            switch Int.random(in: 0..<6) {
            case 0: _ = try namespace.svcctl("cleanup")
            case 1:
                try files.write(Self.definitions(), to: "other.json")
                #expect(try namespace.svcctl("apply", files["other.json"]).status == 0)
            case 2: try namespace.nft("flush ruleset\n")
            case 3: try namespace.nft("add table ip other\n")
            default: break
            }
        }
    }

    /// Some of twenty services, each in one of many forms.
    private static func definitions() -> String {
        let services = (0..<20).filter { _ in Bool.random() }.map { number in
            let endpoints = (1...Int.random(in: 1...3)).map { pod in #"{"address": "10.244.1.\#(pod)"}"# }
            let forms = [
                "", #", "newConnectionsPerSecond": \#(Int.random(in: 1...4))"#, #", "maxConnections": 9"#,
                #", "sessionAffinity": {"clientIP": {"timeoutSeconds": 60}}"#, #", "deny": ["192.0.2.0/24"]"#,
            ]
            let form = forms.randomElement() ?? ""
            return Sample.service(
                "shop/s\(number)", address: "10.96.0.\(10 + number)",
                form + #", "endpoints": [\#(endpoints.joined(separator: ", "))]"#)
        }
        return #"{"services": [\#(services.joined(separator: ", "))]}"#
    }
}
