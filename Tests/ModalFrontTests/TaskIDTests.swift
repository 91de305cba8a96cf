import ModalFront
import SandboxModel
import Testing

@Suite struct TaskIDTests {
    @Test("a task is its sandbox by another name, and back")
    func roundTrip() {
        let sandbox = SandboxID.mint()
        let text = TaskID(sandbox).description
        #expect(text.hasPrefix("ta-") && text.hasSuffix("V"))
        #expect(TaskID(text)?.sandbox == sandbox)
    }

    @Test(
        "text that is no task's id is none",
        arguments: ["", "ta-", "ta-V", "sb-abc", "ta-0000000000000000000000000", "ta-/etc/passwd0000000000000000V"])
    func refused(text: String) { #expect(TaskID(text) == nil) }
}
