import DataplaneTestKit
import Foundation
import Testing

/// The unit and the package that `deploy/` makes.
@Suite struct PackageTests {
    private static let deploy = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("deploy").path

    private static func has(_ program: String) -> Bool {
        (try? hostProgram(["sh", "-c", "command -v \(program)"]).status) == 0
    }

    /// From 0 to 10, less is better.
    @Test(.enabled(if: has("systemd-analyze"))) func unitIsShutIn() throws {
        let unit = "\(Self.deploy)/svcctl.service"
        let result = try hostProgram(["systemd-analyze", "security", "--offline=true", "--threshold=21", unit])
        let verdict = result.output.split(separator: "\n").last ?? ""
        #expect(result.status == 0, "\(verdict) \(result.errors)")
    }

    @Test(.enabled(if: has("dpkg-deb") && has("objdump"))) func debianPackage() throws {
        let files = try Files()
        let build = try hostProgram(
            ["\(Self.deploy)/deb/build", "--uncompressed", "--binary", Svcctl.path(), files.directory],
            timeout: .seconds(120))
        #expect(build.status == 0, "\(build.errors)")
        let package = build.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let content = try hostProgram(["dpkg-deb", "--contents", package]).output
        for path in [
            "./usr/bin/svcctl", "./lib/systemd/system/svcctl.service", "./etc/svcctl/agent.yaml",
            "./etc/svcctl/services/", "./usr/share/bash-completion/completions/svcctl",
        ] { #expect(content.contains(" \(path)\n"), "\(path)") }
        // The terms of each package that we name, of what these took from elsewhere, and of Swift.
        let manifest = try String(contentsOfFile: "\(Self.deploy)/../Package.swift", encoding: .utf8)
        let packages = manifest.matches(of: /package\(url: ".*\/(.+)\.git"/).map { String($0.output.1) }
        #expect(packages.contains("swift-nio") && packages.contains("Yams"))
        for name in packages { #expect(content.contains("/licences/\(name)/LICENSE"), "\(name)") }
        for file in [
            "swift-nio/NOTICE.txt", "swift-nio/Sources/CNIOLLHTTP/LICENSE", "swift/LICENSE.txt", "ICU/LICENSE",
        ] { #expect(content.contains("./usr/share/doc/svcctl/licences/\(file)\n"), "\(file)") }
        let fields = try hostProgram(["dpkg-deb", "--field", package]).output
        #expect(fields.contains("Package: svcctl\n"))
        #expect(fields.contains("libmnl0") && fields.contains("libc6"))
    }

    /// What cannot be done is said, and nothing is made.
    @Test(arguments: ["deb/build", "image/build"]) func refusals(_ script: String) throws {
        let files = try Files()
        let both = try hostProgram(
            ["\(Self.deploy)/\(script)", "--binary", Svcctl.path(), "--without-ipset", files.directory])
        #expect(both.status == 64 && both.errors.contains("leave it out, or --binary"))
        // Away from where it was built, nobody knows whose terms go with it.
        let copy = "\(files.directory)/svcctl"
        try "#!/bin/sh\n".write(toFile: copy, atomically: false, encoding: .utf8)
        let moved = try hostProgram(["\(Self.deploy)/licences/gather", copy, "\(files.directory)/licences"])
        #expect(moved.status == 66 && moved.errors.contains("name it in the directory where swift build made it"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: files.directory) == ["svcctl"])
    }
}

/// What the unit takes away is not missed.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct PrivilegeTests {
    @Test func oneCapabilityIsEnough() async throws {
        let namespace = try NetworkNamespace("agent")
        let agent = try await AgentProcess.ready(
            in: namespace, AgentTests.files(),
            prefix: ["setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all", "--"])
        #expect(try namespace.elements("ip", "endpoints_2").count == 2)
        try namespace.nft("flush ruleset\n")
        #expect(try await agent.until { try namespace.ruleset().contains("endpoints_2") })
        #expect(try agent.metric("svcctl_ready") == 1)
        #expect(try agent.stop().status == 0)
        // Without it, it says so.
        let without = try AgentProcess(
            in: namespace, AgentTests.files(), prefix: ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"])
        let result = try without.wait()
        #expect(result.status == 77 && result.errors.contains("CAP_NET_ADMIN"))
    }
}
