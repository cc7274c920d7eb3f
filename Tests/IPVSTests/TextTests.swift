import IPVS
import NetAddress
import Netlink
import Testing

@Suite struct TextTests {
    @Test func lines() {
        let web = VirtualServerID.address(ip("10.0.0.1"), .tcp, port: 80)
        let mark = VirtualServerID.mark(4_000_000_000, .ipv6)
        let lines: [(IPVSOperation, String)] = [
            (.addVirtual(VirtualServer(web, scheduler: "rr")), "-A -t 10.0.0.1:80 -s rr"),
            (
                .changeVirtual(
                    VirtualServer(
                        .address(ip("fd00::1"), .udp, port: 53), scheduler: "sh",
                        flags: [.persistent, .onePacket, .fallback, .sourcePort], persistenceTimeout: 60,
                        persistenceMask: PersistenceMask(.ipv6, prefixLength: 64))),
                "-E -u [fd00::1]:53 -s sh -p 60 -M 64 -o -b sh-fallback,sh-port"
            ),
            (
                .addVirtual(
                    VirtualServer(
                        .address(ip("10.0.0.1"), .sctp, port: 9), scheduler: "mh", flags: [.persistent, .sourcePort],
                        persistenceTimeout: 300, persistenceMask: PersistenceMask(.ipv4, prefixLength: 24))),
                "-A --sctp-service 10.0.0.1:9 -s mh -p 300 -M 255.255.255.0 -b mh-port"
            ),
            (
                .addVirtual(
                    VirtualServer(
                        .mark(1, .ipv4), scheduler: "rr", flags: [.schedulerFlag1, .schedulerFlag2, .schedulerFlag3],
                        persistenceEngine: "sip")),
                "-A -f 1 -s rr --pe sip -b flag-1,flag-2,flag-3"
            ),
            (.removeVirtual(mark), "-D -f 4000000000 -6"),
            (.addReal(RealServer(ip("10.1.0.1"), port: 8080), to: web), "-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 1"),
            (
                .changeReal(
                    RealServer(
                        ip("10.1.0.1"), port: 80, weight: 0, forwarding: .direct, upperThreshold: 9,
                        lowerThreshold: 5), of: web),
                "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 0 -x 9 -y 5"
            ),
            (
                .addReal(
                    RealServer(
                        ip("fd00::2"), port: 80, forwarding: .tunnel,
                        tunnel: Tunnel(.gue, port: 6080, checksum: .remote)), to: mark),
                "-a -f 4000000000 -6 -r [fd00::2]:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum"
            ),
            (.removeReal(RealServerID(ip("fd00::2"), port: 80), of: mark), "-d -f 4000000000 -6 -r [fd00::2]:80"),
        ]
        for (operation, line) in lines { #expect("\(operation)" == line) }
    }

    /// The longest line there can be keeps its end.
    @Test func theLongestLine() {
        let address = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
        let name = String(repeating: "x", count: 15)
        let id = VirtualServerID.address(address, .sctp, port: 65535)
        let server = VirtualServer(
            id, scheduler: name, flags: [.persistent, .onePacket, .schedulerFlag1, .schedulerFlag2, .schedulerFlag3],
            persistenceTimeout: .max, persistenceMask: PersistenceMask(.ipv4, number: 0xfffe_fffe),
            persistenceEngine: name)
        #expect(
            "\(IPVSOperation.addVirtual(server))".hasSuffix(
                "-M 255.254.255.254 --pe \(name) -o -b flag-1,flag-2,flag-3"))
        let real = RealServer(
            address, port: 65535, weight: .max, forwarding: .tunnel, upperThreshold: .max, lowerThreshold: .max,
            tunnel: Tunnel(.gue, port: 65535, checksum: .remote))
        #expect("\(IPVSOperation.addReal(real, to: id))".hasSuffix("--tun-remcsum -x 4294967295 -y 4294967295"))
    }

    @Test func schedulers() {
        #expect(Scheduler.known.count == 14)
        #expect(Scheduler.named("mh")?.module == "ip_vs_mh")
        #expect(Scheduler.named("mh")?.flags.map(\.name) == ["mh-fallback", "mh-port"])
        #expect(Scheduler.named("none") == nil)
        #expect(Information(version: 0x010201, connectionTableSize: 4096).versionText == "1.2.1")
    }
}
