import Conntrack
import DataplaneTestKit
import NetAddress
import Netlink
import Testing

/// The table as a whole: entries made without packets, many of them, and those that must not be hit.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct TableTests {
    @Test func anEmptyTableHasNoFlows() throws {
        let namespace = try NetworkNamespace("empty")
        for family in IPFamily.allCases { #expect(try namespace.flows(family).isEmpty) }
        #expect(try namespace.delete([]) == 0)
    }

    /// More than fit one datagram of a dump or one batch of deletions.
    @Test(arguments: IPFamily.allCases) func thousandsOfFlows(_ family: IPFamily) throws {
        let namespace = try NetworkNamespace("many")
        let flows = (1...5_000).map { Flow.example(family, sourcePort: $0) }
        let others = (1...5_000).map { Flow.example(family, sourcePort: $0, transport: .tcp) }
        #expect(try namespace.create(flows) == 5_000)
        #expect(try namespace.create(others) == 5_000)
        #expect(try namespace.create(Array(flows.prefix(10))) == 0, "they are there already")

        let listed = try namespace.flows(family)
        #expect(listed.map(\.withoutState) == flows)
        #expect(try namespace.flows(family, filtersInKernel: false) == listed)
        #expect(try Set(listed.map(ToolListing.line)) == ToolListing(namespace, family).lines)

        let odd = listed.filter { $0.original.sourcePort % 2 == 1 }
        #expect(try namespace.delete(odd) == 2_500)
        #expect(try namespace.flows(family) == listed.filter { $0.original.sourcePort % 2 == 0 })
        // Half of them are gone, in every batch.
        #expect(try namespace.delete(listed) == 2_500)
        #expect(try namespace.delete(listed) == 0)
        #expect(try namespace.flows(family).isEmpty)
        #expect(try namespace.flows(family, .tcp).count == 5_000)
    }

    /// A flow that took the tuple over is not the one that was to be deleted.
    @Test(arguments: IPFamily.allCases) func aStaleNumberHitsNothing(_ family: IPFamily) throws {
        let namespace = try NetworkNamespace("stale")
        #expect(try namespace.create([Flow.example(family, sourcePort: 1000)]) == 1)
        let flow = try #require(try namespace.flows(family).first)
        var other = flow
        other.id ^= 1
        #expect(try namespace.delete([other]) == 0)
        #expect(try namespace.flows(family) == [flow])
    }

    /// The kernel may give the newer entry the very number of the older one; where it leads tells them apart.
    @Test(arguments: IPFamily.allCases) func aNewerFlowToAnotherEndpointStays(_ family: IPFamily) throws {
        let namespace = try NetworkNamespace("newer")
        #expect(try namespace.create([Flow.example(family, sourcePort: 1000, endpoint: 1)]) == 1)
        let old = try namespace.flows(family)
        #expect(try namespace.delete(old) == 1)
        #expect(try namespace.create([Flow.example(family, sourcePort: 1000, endpoint: 2)]) == 1)
        let new = try namespace.flows(family)
        #expect(try namespace.delete(old) == 0)
        var sameNumber = try #require(old.first)
        sameNumber.id = try #require(new.first).id
        #expect(try namespace.delete([sameNumber]) == 0)
        #expect(try namespace.flows(family) == new)
    }

    /// The same tuples in several zones are several flows.
    @Test(arguments: IPFamily.allCases) func zonesAreSeparate(_ family: IPFamily) throws {
        let namespace = try NetworkNamespace("zones")
        let zones: [Flow.Zone?] = [nil, .both(7), .both(8)]
        let flows = zones.map { Flow.example(family, sourcePort: 1000, zone: $0) }
        #expect(try namespace.create(flows) == 3)
        let listed = try namespace.flows(family)
        #expect(Set(listed.map(\.withoutState)) == Set(flows))
        for (count, flow) in listed.enumerated() {
            #expect(try namespace.flows(family).count == 3 - count)
            #expect(try namespace.delete([flow]) == 1)
            #expect(try !namespace.flows(family).contains(flow))
        }
    }

    @Test(arguments: [Flow.Zone.original(7), .reply(7)]) func zonesOfOneDirection(_ zone: Flow.Zone) throws {
        let namespace = try NetworkNamespace("zone")
        let flow = Flow.example(.ipv4, sourcePort: 1000, zone: zone)
        #expect(try namespace.create([flow]) == 1)
        let listed = try namespace.flows(.ipv4)
        #expect(listed.map(\.withoutState) == [flow])
        #expect(try namespace.delete(listed) == 1)
        #expect(try namespace.flows(.ipv4).isEmpty)
    }

    /// Without the privilege the kernel says so, on listing and on deleting.
    @Test func withoutPrivilege() throws {
        let namespace = try NetworkNamespace("unprivileged")
        #expect(try namespace.create([Flow.example(.ipv4, sourcePort: 1)]) == 1)
        let flows = try namespace.flows(.ipv4)
        let refusals = try namespace.runWithoutPrivilege {
            var socket = try ConntrackSocket()
            var refusals: [NetlinkError] = []
            do throws(NetlinkError) {
                try socket.flows(.ipv4, .udp) { _ in }
            } catch {
                refusals.append(error)
            }
            do throws(NetlinkError) {
                try socket.delete(flows)
            } catch {
                refusals.append(error)
            }
            return refusals
        }
        #expect(refusals.map { $0.isPermission } == [true, true])
        #expect(try namespace.flows(.ipv4) == flows)
    }
}
