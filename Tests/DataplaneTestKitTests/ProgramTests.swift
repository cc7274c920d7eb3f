import DataplaneTestKit
import Testing

@Suite(.enabled(if: TestPrivilege.canMakeNamespaces)) struct ProgramTests {
    let namespace: NetworkNamespace

    init() throws { namespace = try NetworkNamespace() }

    @Test func bigInputAndOutputPass() throws {
        let text = String(repeating: "0123456789abcde\n", count: 200_000)
        #expect(try namespace.tool(["cat"], input: text) == text)
    }

    @Test func inputCanBeOpenedByName() throws {
        #expect(try namespace.tool(["cat", "/dev/stdin"], input: "hello") == "hello")
    }

    @Test func failuresSayWhatHappened() throws {
        let command = ["sh", "-c", "echo out; echo err >&2; exit 3"]
        let expected = ProgramResult(status: 3, output: "out\n", errors: "err\n")
        #expect(try namespace.toolResult(command) == expected)
        #expect(throws: ProgramFailure(command: command, result: expected)) { try namespace.tool(command) }
        #expect(throws: SystemCallError.self) { try namespace.tool(["no-such-program"]) }
    }

    @Test func signalsAndTimeoutsEndAProgram() throws {
        #expect(try namespace.toolResult(["sh", "-c", "kill -TERM $$"]).status == 128 + 15)
        #expect(try namespace.toolResult(["sleep", "60"], timeout: .milliseconds(50)).status == 128 + 9)
    }

    @Test func standardOutputAndErrorsMayBeOpenedAgain() throws {
        let result = try namespace.toolResult(["sh", "-c", "echo one; echo two >>/dev/stdout; echo three"])
        #expect(result.output == "one\ntwo\nthree\n")
    }

    @Test func programsRunOnUntilTheyAreStopped() throws {
        let command = ["sh", "-c", "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.01; done"]
        let program = try RunningProgram(command, in: namespace)
        while try program.output().output.isEmpty {}
        let result = try program.stop()
        #expect(result == ProgramResult(status: 4, output: "ready\nbye\n", errors: ""))
        #expect(try program.stop() == result)
    }
}
