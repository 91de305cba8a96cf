import ModalFront
import ModalProtocol
import SandboxModel
import Testing

@Suite struct ResourcesTests {
    private func resources(disk: UInt32) throws -> Resources {
        var message = ModalResources()
        message.ephemeralDiskMb = disk
        return try Resources(message)
    }

    @Test("an ephemeral disk is the sandbox's own, and none is asked for with 0")
    func disk() throws {
        #expect(try resources(disk: 2048).diskMiB == 2048)
        #expect(try resources(disk: 0).diskMiB == nil)
    }

    @Test("a disk that can't be held to is refused by its name", arguments: [15, 262_145] as [UInt32])
    func refusedDisk(mebibytes: UInt32) {
        let error = #expect(throws: CordonError.self) { try resources(disk: mebibytes) }
        #expect(error?.field == "ephemeral_disk")
    }
}
