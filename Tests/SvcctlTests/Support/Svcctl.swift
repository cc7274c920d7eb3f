import CSandbox
import DataplaneTestKit
import Foundation
import Glibc

/// The program under test: the real one, as SwiftPM built it beside the tests.
enum Svcctl {
    struct NotBuilt: Error, CustomStringConvertible {
        let path: String
        var description: String { "there is no program \(path); `swift build` makes it" }
    }

    /// Where the program is; throws ``NotBuilt`` if it is not there.
    static func path() throws -> String {
        let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("svcctl").path
        guard access(path, X_OK) == 0 else { throw NotBuilt(path: path) }
        return path
    }

    /// Runs it where the tests run, for what needs no kernel.
    static func run(_ arguments: String...) throws -> ProgramResult {
        try hostProgram([path()] + arguments, timeout: .seconds(20))
    }

    /// A cluster as a real API server printed it.
    static let cluster = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Data/cluster.json").path

    /// The node on which the tests look at that cluster.
    static let clusterNode = [
        "--node-name", "node-a", "--zone", "zone-a", "--cluster-cidr", "10.244.0.0/16,fd00:244::/32",
    ]
}

extension NetworkNamespace {
    /// Runs svcctl in the namespace.
    func svcctl(_ arguments: [String], input: String? = nil) throws -> ProgramResult {
        try toolResult([Svcctl.path()] + arguments, input: input, timeout: .seconds(20))
    }

    func svcctl(_ arguments: String..., input: String? = nil) throws -> ProgramResult {
        try svcctl(arguments, input: input)
    }

    /// Runs svcctl as root that has lost all its rights, which is the one user that every test machine has.
    func svcctlWithoutPrivilege(_ arguments: [String], input: String? = nil) throws -> ProgramResult {
        let drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
        return try toolResult(drop + [Svcctl.path()] + arguments, input: input, timeout: .seconds(20))
    }

    /// Runs svcctl where opening a netlink socket fails with an errno, or for 0 kills the program.
    func svcctlWithoutNetlink(_ arguments: [String], errno: Int32 = 0) throws -> ProgramResult {
        // The filter holds for the thread and for what it starts, so it goes with the thread.
        try run {
            guard thread_forbid_netlink(errno) == 0 else { throw POSIXError(.ENOSYS) }
            return try svcctl(arguments)
        }
    }
}
