import DataplaneTestKit
import Foundation
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
}
