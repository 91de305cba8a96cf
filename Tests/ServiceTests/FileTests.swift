import ServiceSupport
import Testing

/// The checks are in `Programs/files.py`.
@Suite("Files in sandboxes", .serialized, .timeLimit(.minutes(10)))
struct FileTests {
    @Test("what is put is what a program inside sees, and the other way round", arguments: ["in_and_out", "changes"])
    func operations(what: String) async throws { try await check("files", what) }

    @Test("FIFOs, devices and links make nothing wait, nor does a guest that kills")
    func hostile() async throws { try await check("files", "nothing_waits_for_what_is_no_file") }

    @Test("no time, size or name that a file has ends the service")
    func edges() async throws { try await check("files", "values_at_the_edge") }

    @Test("file operations go on while commands begin and end")
    func besideCommands() async throws { try await check("files", "beside_commands") }

    @Test("a client that vanishes while it writes leaves the old file, or the part that came")
    func brokenOff() async throws { try await check("files", "broken_off") }

    @Test("directories go in and out as tar archives, of every compression and as every user")
    func archives() async throws { try await check("files", "archives") }

    @Test("links that are swapped in while archives are unpacked and made lead nowhere")
    func swapped() async throws { try await check("files", "swapped") }

    @Test("what happens to files is told as it happens, until what is watched is gone")
    func watching() async throws { try await check("files", "watching") }

    @Test("a directory of a million entries makes nobody wait")
    func million() async throws { try await check("files", "million") }

    @Test("large files go in and out piece by piece")
    func large() async throws { try await check("files", "large") }

    @Test("random operations have the same outcome as those of a program inside")
    func differential() async throws {
        try await check("files", "differential", ["1000", "\(Int.random(in: 0...9999))"])
    }
}
