import DataplaneTestKit
import Foundation
import Testing

/// For thousands of random definitions and packets, three who know the answer agree exactly: the plan as it reads, the
/// rules that should be there, and the rules that the kernel gives back, whatever was there before.
///
/// `SVCCTL_PROPERTY_RUNS=10` takes ten times as many, others than before; `SVCCTL_PROPERTY_SEED=N` repeats one that
/// failed.
@Suite(.enabled(if: TestPrivilege.canMakeNamespaces))
struct PropertyTests {
    private static let workers = 2
    private static let sequencesPerWorker = 5

    private static func variable(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    private static func seeds(_ worker: Int) -> [UInt64] {
        if let seed = variable("SVCCTL_PROPERTY_SEED") { return worker == 0 ? [seed] : [] }
        let runs = Int(clamping: variable("SVCCTL_PROPERTY_RUNS") ?? 1)
        return (0..<sequencesPerWorker * runs).map { UInt64($0 * workers + worker + 1) }
    }

    @Test(arguments: 0..<workers) func planAndRulesAgree(_ worker: Int) throws {
        for seed in Self.seeds(worker) {
            let (counts, failure) = try PropertySequence(seed: seed).run()
            if let failure { Issue.record("\(failure)") }
            #expect(counts.definitions > 0)
        }
    }
}
