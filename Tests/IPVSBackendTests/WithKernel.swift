import DataplaneTestKit
import Testing

/// Tests with a real kernel run one after another: what is done to IPVS in one namespace makes the kernel lose its place
/// in the lists of all others.
@Suite(
    .serialized, .enabled(if: TestPrivilege.canMakeNamespaces, "needs root"),
    .enabled(if: KernelFeature.hasIPVS, "the kernel has no ip_vs; hack/vm has one that does"))
struct WithKernel {}
