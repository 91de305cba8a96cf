import ModalFront
import SandboxModel
import Testing

@Suite struct FollowedExecsTests {
    private let sandbox = SandboxID.mint()

    @Test("an exec that nobody reads is waited for by nobody, and one that somebody reads until the last has done")
    func reading() async throws {
        let followed = FollowedExecs()
        try await followed.untilRead(.main, in: sandbox, upTo: .seconds(600))
        followed.begin(.main, in: sandbox)
        followed.begin(.main, in: sandbox)
        followed.end(.main, in: sandbox)
        async let done: Void = followed.untilRead(.main, in: sandbox, upTo: .seconds(600))
        followed.end(.main, in: sandbox)
        try await done
    }

    @Test("one whose reader is slow is waited for no longer than it is said")
    func slowReader() async throws {
        let followed = FollowedExecs()
        followed.begin(.main, in: sandbox)
        try await followed.untilRead(.main, in: sandbox, upTo: .milliseconds(20))
        try await followed.untilRead(.main, in: SandboxID.mint(), upTo: .seconds(600))
    }
}
