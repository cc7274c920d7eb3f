import DataplaneTestKit
import Glibc
import Links
import Testing

@Suite struct SysctlTests {
    /// Settings are those of the thread's namespace.
    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func settingsAreReadAndSet() throws {
        let namespace = try NetworkNamespace("sysctl")
        try namespace.ip(["link add name v.0 type veth peer name v1"])
        try namespace.run {
            #expect(try Sysctl.read("net.ipv4.ip_forward") == "0")
            try Sysctl.write("net.ipv4.ip_forward", "1")
            #expect(try Sysctl.read("net/ipv4/ip_forward") == "1")
            try Sysctl.write("net.ipv4.conf.v/0.arp_ignore", "1")
            #expect(try Sysctl.read("net/ipv4/conf/v.0/arp_ignore") == "1")
            #expect(try Sysctl.read("net.ipv4.ip_local_port_range") == "32768\t60999")
        }
    }

    @Test func failuresSayWhy() {
        var error = #expect(throws: SysctlError.self) { try Sysctl.read("net.ipv4.vs.no_such_thing") }
        #expect(error?.reason == .absent(module: "ip_vs"))
        #expect(error.map { "\($0)" }?.contains("module ip_vs") == true)
        error = #expect(throws: SysctlError.self) { try Sysctl.read("net.ipv4.no_such_thing") }
        #expect(error?.reason == .absent(module: nil))
        error = #expect(throws: SysctlError.self) { try Sysctl.write("net.netfilter.no_such_thing", "1") }
        #expect(error?.reason == .absent(module: "nf_conntrack"))
    }

    @Test(.enabled(if: TestPrivilege.canMakeNamespaces)) func valuesAreRefused() throws {
        try NetworkNamespace("sysctl").run {
            let error = #expect(throws: SysctlError.self) { try Sysctl.write("net.ipv4.ip_local_port_range", "x") }
            #expect(error?.reason == .refused(errno: EINVAL))
            #expect(error?.value == "x")
        }
    }
}
