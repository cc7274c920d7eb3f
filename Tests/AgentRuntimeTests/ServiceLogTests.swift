import Logging
@testable import AgentRuntime
import Testing

@Suite struct ServiceLogTests {
    @Test func oneLineEach() {
        let journal = ServiceLog(isForJournal: true)
        #expect(journal.line("something is wrong", .error) == "<3>something is wrong")
        // What a message holds cannot pass for another message.
        #expect(journal.line("name\n<0>forged\r\nmore", .info) == "<6>name <0>forged more")
        let plain = ServiceLog(isForJournal: false)
        #expect(plain.line("it began", .notice).hasSuffix("Z notice: it began"))
    }
}
