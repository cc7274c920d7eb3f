import NetAddress
import ServiceModel
import Testing

@testable import ServicePlan

/// Plans that follow changes are those that are made at once.
@Suite struct LivePlansTests {
    /// A small world, so that services often want the same addresses and ports.
    private struct World {
        var state: UInt64

        mutating func number(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(max(count, 1)))
        }

        mutating func service(_ name: ServiceName) -> Service {
            var service = Service(name: name)
            service.isFromKubernetes = true
            service.creationTimestamp = number(3) == 0 ? nil : "2026-01-0\(1 + number(4))T00:00:00Z"
            service.clusterIPs = [IPAddress(ipv4: 0x0a60_0000 + UInt32(number(6)))]
            if number(3) == 0 { service.clusterIPs.append(IPAddress(ipv6: 0xfd00 << 48, UInt64(number(6)))) }
            if number(2) == 0 { service.externalIPs = [IPAddress(ipv4: 0xcb00_7100 + UInt32(number(3)))] }
            service.ports = [
                ServicePort(
                    name: "web", port: UInt16(80 + number(2)),
                    nodePort: number(3) == 0 ? UInt16(30000 + number(3)) : nil)
            ]
            service.endpoints = (0..<number(3)).map { Endpoint(address: IPAddress(ipv4: 0x0af4_0100 + UInt32($0))) }
            service.clientIPAffinitySeconds = number(3) == 0 ? 60 : nil
            service.maxConnections = number(4) == 0 ? 10 : nil
            return service
        }
    }

    @Test(arguments: 1...20) func followChanges(seed: Int) {
        var world = World(state: UInt64(seed))
        var live = LivePlans(node: NodeFacts())
        var services: [ServiceName: Service] = [:]
        var followed: [ServiceName: PlannedService] = [:]
        for _ in 0..<60 {
            var changes: [ServiceName: Service?] = [:]
            for _ in 0...world.number(3) {
                let name = ServiceName(namespace: "test", name: "s\(world.number(8))")
                // Often nothing but the endpoints changes.
                if var service = services[name] ?? nil, world.number(2) == 0 {
                    service.endpoints = (0..<world.number(4)).map { number in
                        Endpoint(address: IPAddress(ipv4: 0x0af4_0200 + UInt32(number)))
                    }
                    changes[name] = service
                    continue
                }
                changes.updateValue(world.number(4) == 0 ? nil : world.service(name), forKey: name)
            }
            for (name, service) in changes { services[name] = service }
            for change in live.update(changes) {
                #expect(change.old == followed[change.name])
                #expect(change.old != change.new)
                followed[change.name] = change.new
            }
            let atOnce = ServicePlans(Array(services.values), node: NodeFacts())
            #expect(followed == Dictionary(uniqueKeysWithValues: atOnce.services.map { ($0.name, $0) }))
            #expect(Set(live.conflicts) == Set(atOnce.conflicts))
            #expect(live.frontendCount == atOnce.frontendCount)
            #expect(live.serviceCount == services.count)
        }
    }

    /// Nothing but the service itself is told of where nobody disputes anything.
    @Test func tellsWhatChanged() {
        var world = World(state: 7)
        var live = LivePlans(node: NodeFacts())
        var first = world.service(ServiceName(namespace: "test", name: "first"))
        first.clusterIPs = [IPAddress(ipv4: 1)]
        first.externalIPs = []
        first.ports = [ServicePort(name: "", port: 80)]
        var second = first
        second.name = ServiceName(namespace: "test", name: "second")
        second.clusterIPs = [IPAddress(ipv4: 2)]
        #expect(live.update([first.name: first, second.name: second]).count == 2)
        #expect(live.update([first.name: first]).isEmpty)
        second.endpoints.append(Endpoint(address: IPAddress(ipv4: 3)))
        #expect(live.update([second.name: second]).map(\.name) == [second.name])
        #expect(live.update([second.name: nil]).map(\.new) == [nil])
    }

    /// Two addresses whose names give the same number keep the two that they got when something else changes.
    @Test func numbersOfNodeClientsStay() {
        var live = LivePlans(node: NodeFacts(nodeName: "node-a"))
        var service = Service(name: ServiceName(namespace: "test", name: "s1"))
        service.externalIPs = [IPAddress(ipv4: 0xcb00_0af9), IPAddress(ipv4: 0xcb00_320f)]
        service.externalTrafficPolicy = .local
        service.ports = [ServicePort(name: "", port: 80)]
        service.endpoints = [Endpoint(address: IPAddress(ipv4: 3))]
        func numbers() -> [UInt32] { live[service.name]?.frontends.compactMap(\.nodeClientNumber) ?? [] }
        _ = live.update([service.name: service])
        let before = numbers()
        #expect(before.count == 2 && before.first.map { $0 + 1 } == before.last)
        service.endpoints.append(Endpoint(address: IPAddress(ipv4: 4)))
        _ = live.update([service.name: service])
        #expect(numbers() == before)
    }
}
