import DataplaneTestKit
import FoundationEssentials
import NetAddress
import Netlink
import Testing

@testable import IPVS

@Suite struct ModuleTests {
    /// Whether the kernel may be asked for a scheduler: not if the module could exist and we may not load it.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func withoutPrivilege() throws {
        let namespace = try NetworkNamespace("modules")
        let answers = try namespace.runWithoutPrivilege {
            var loader = ModuleLoader()
            // Every kernel shows a module `kernel`, which holds its own parameters.
            return ["kernel", "ip_vs_nothing"].map { loader.prepare($0) }
        }
        #expect(answers == [true, false])
    }

    @Test func whichModulesAreLoadedBefore() {
        let names = Scheduler.known.map(\.name).filter { Scheduler.registersWithNamespaces($0) }
        #expect(names == ["lblc", "lblcr"])
    }
}

extension WithKernel {
    /// Debian's kernels have every scheduler as a module.
    @Suite(.enabled(if: ProcessInfo.processInfo.environment["SVCCTL_VM"] != nil, "needs hack/vm"))
    struct LoadingTests {
        @Test func aModuleIsLoaded() throws {
            let namespace = try NetworkNamespace("loading")
            let (prepared, unknown) = try namespace.run {
                var loader = ModuleLoader()
                return (loader.prepare("ip_vs_lblcr"), loader.prepare("ip_vs_nothing"))
            }
            #expect(prepared && unknown)
            #expect(ModuleLoader.isLoaded("ip_vs_lblcr"))
            #expect(!ModuleLoader.isLoaded("ip_vs_nothing"))
        }

        @Test func aSchedulerThatMayNotBeLoaded() throws {
            let namespace = try NetworkNamespace("forbidden")
            let server = VirtualServer(.mark(1, .ipv4), scheduler: "lblc")
            let refusals = try namespace.runWithoutPrivilege {
                var socket = try IPVSSocket()
                return try socket.send(batch { $0.add(server) })
            }
            // Which of the two depends on whether another test has loaded it.
            let expected: Refusal.Reason =
                ModuleLoader.isLoaded("ip_vs_lblc") ? .permission : .moduleNotLoaded("ip_vs_lblc")
            #expect(refusals.map(\.reason) == [expected])
        }
    }
}
