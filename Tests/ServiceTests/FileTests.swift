import ServiceSupport
import Testing

/// The checks are in `Programs/files.py`.
@Suite("Files in sandboxes", .serialized, .timeLimit(.minutes(5)))
struct FileTests {
    @Test("what is put is what a program inside sees, and the other way round", arguments: ["in_and_out", "changes"])
    func operations(what: String) async throws { try await check("files", what) }

    @Test("FIFOs, devices and links make nothing wait, nor does a guest that kills")
    func hostile() async throws { try await check("files", "nothing_waits_for_what_is_no_file") }

    @Test("a client that vanishes while it writes leaves the old file, or the part that came")
    func brokenOff() async throws { try await check("files", "broken_off") }

    @Test("large files go in and out piece by piece")
    func large() async throws { try await check("files", "large") }

    @Test("random operations have the same outcome as those of a program inside")
    func differential() async throws {
        try await check("files", "differential", ["400", "\(Int.random(in: 0...9999))"])
    }
}
