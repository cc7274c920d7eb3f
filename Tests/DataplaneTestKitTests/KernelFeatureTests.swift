import DataplaneTestKit
import Glibc
import Testing

struct KernelFeatureTests {
    /// The file comes with the module.
    @Test func knowsWhetherThereIsIPVS() {
        #expect(KernelFeature.hasIPVS == (access("/proc/net/ip_vs", F_OK) == 0))
    }

    /// The virtual machine is there for IPVS.
    @Test(.enabled(if: TestMachine.isEmulated)) func theVirtualMachineHasIPVS() {
        #expect(KernelFeature.hasIPVS)
    }
}
