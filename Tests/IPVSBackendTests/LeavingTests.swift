import Dataplane
import DataplaneConformance
import DataplaneTestKit
import Glibc
import IPVS
import Links
import NetAddress
import ServiceModel
import ServicePlan
import Testing

@testable import IPVSBackend

/// Whom the backend asks whether connections are left.
@Suite struct LeavingTests {
    private static func id(_ number: Int) -> VirtualServerID {
        .address(IPAddress(ipv4: 0x0a60_0100 + UInt32(number)), .tcp, port: 80)
    }

    private static let real = RealServer("10.244.1.2", port: 8080, weight: 0, forwarding: .masquerade).id

    @Test func allAreAskedInTurn() {
        var leaving = Leaving()
        for number in 1...5 { leaving.insert(Self.real, of: Self.id(number)) }
        func turn(_ leaving: inout Leaving) -> [VirtualServerID] {
            let turn = leaving.nextTurn(most: 2)
            for id in turn { leaving.noteAsked(id) }
            return Array(turn)
        }
        var turns = (1...3).map { _ in turn(&leaving) }
        #expect(turns == [[1, 2], [3, 4], [5, 1]].map { $0.map(Self.id) })
        // Who comes and goes does not keep others from their turn.
        _ = leaving.remove(Self.real, of: Self.id(2))
        leaving.insert(Self.real, of: Self.id(0))
        turns = (1...2).map { _ in turn(&leaving) }
        #expect(turns == [[3, 4], [5, 0]].map { $0.map(Self.id) })
        // A full comparison finds them anew, and goes on where it was.
        leaving.removeAll()
        #expect(leaving.isEmpty)
        for number in 0...2 { leaving.insert(Self.real, of: Self.id(number)) }
        #expect(turn(&leaving) == [1, 2].map(Self.id))
        #expect(Array(leaving.nextTurn(most: 9)) == (0...2).map(Self.id))
    }
}

extension WithKernel.DrainTests {
    /// Many that leave at once are asked some at a time, and all of them go in the end.
    @Test func manyLeave() throws {
        let lab = try Lab(pods: 1)
        let servers = try lab.startServers(families: [.ipv4], mode: .keepOpen)
        defer { for server in servers { server.stop() } }
        let most = IPVSBackend.mostAsked.virtualServers
        let service = Service.test("web", endpoints: ["10.244.1.2"]) {
            $0.externalIPs = (0..<most + 6).map { IPAddress(ipv4: 0xcb00_710a + UInt32($0)) }
        }
        try Desired(services: [service], node: Self.node).observing(in: lab.node) { reconciliation in
            for setting in IPVSBackend.kernelSettings { try Sysctl.write(setting.name, setting.value) }
            _ = try reconciliation.apply()
            // One port for two addresses, and the same endpoint by both, would confuse IPVS.
            let connections = try service.externalIPs.enumerated().map { index, address in
                try LongConnection(from: lab.client, to: address, port: 80, sourcePort: UInt16(20000 + index))
            }
            try lab.node.tool(["ipvsadm", "--set", "1", "1", "0"])
            _ = try Self.replace(service, nil, &reconciliation)
            #expect(reconciliation.backend.leaving.servers.count == most + 6)
            for connection in connections { _ = try connection.exchange("the last one") }
            // Nothing of them is left when the kernel has forgotten the last.
            let end = ContinuousClock.now + .seconds(60)
            while try lab.node.tool(["ipvsadm", "-L", "-n", "-c"]).contains("ESTABLISHED"), ContinuousClock.now < end {
                usleep(100_000)
            }
            try reconciliation.backend.attend(to: &reconciliation.state)
            #expect(reconciliation.backend.leaving.servers.count == 6)
            try reconciliation.backend.attend(to: &reconciliation.state)
            #expect(reconciliation.backend.leaving.isEmpty)
            #expect(try Self.servers(in: lab.node) == [])
            withExtendedLifetime(connections) {}
        }
    }
}
