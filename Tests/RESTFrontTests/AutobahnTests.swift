import Foundation
import ProgramSupport
import Testing

/// Autobahn's own cases against the pipeline that serves attaches; `Programs/autobahn.py` runs them.
@Suite("RFC 6455", .timeLimit(.minutes(5)))
struct AutobahnTests {
    @Test("all of Autobahn's cases but those for compression pass: framing, pings, UTF-8, closing, limits")
    func cases() async throws {
        let program = try unwrap(Bundle.module.url(forResource: "Programs/autobahn", withExtension: "py")).path
        try await withFront { front in
            let (status, output) = try await HostProgram.result(
                of: "/usr/bin/python3", ["-B", program, "127.0.0.1", "\(front.port)", "/echo"])
            #expect(status == 0, "\(output.suffix(6000))")
        }
    }
}
