import ModalFront
import ModalProtocol
import SandboxModel
import Testing

@Suite struct ResultTests {
    @Test(
        "every ending shows as a status that isn't 0, so that no client waits for ever",
        arguments: EndingReason.allCases)
    func statuses(reason: EndingReason) {
        let result = ModalGenericResult(Ending(reason, exitCode: 0, signal: 9, at: .now()))
        #expect(result.status != .unspecified)
    }

    @Test("exit codes are those that the SDKs' documentation names")
    func codes() {
        let now = Timestamp.now()
        #expect(ModalGenericResult(Ending(.exited, exitCode: 0, at: now)).status == .success)
        #expect(ModalGenericResult(Ending(.exited, exitCode: 42, at: now)).exitcode == 42)
        #expect(ModalGenericResult(Ending(.exited, exitCode: 42, at: now)).status == .failure)
        #expect(ModalGenericResult(Ending(.signalled, signal: 15, at: now)).exitcode == 143)
        #expect(ModalGenericResult(Ending(.timedOut, at: now)).status == .timeout)
        #expect(ModalGenericResult(Ending(.timedOut, at: now)).exitcode == 124)
        #expect(ModalGenericResult(Ending(.terminated, at: now)).status == .terminated)
        #expect(ModalGenericResult(Ending(.terminated, at: now)).exitcode == 137)
    }
}
