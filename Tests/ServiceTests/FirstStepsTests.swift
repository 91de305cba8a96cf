import ServiceSupport
import Testing

@Suite("A running service", .serialized)
struct FirstStepsTests {
    @Test("a sandbox is created, runs a command, and is gone after it was terminated")
    func lifecycle() async throws {
        try await withService { service in
            let id = try await service.create(["name": "first"])
            let outcome = try await service.run(["sh", "-c", "echo out; echo err >&2; exit 7"], in: id)
            #expect(outcome.exitCode == 7)
            #expect(outcome.stdout == "out\n")
            #expect(outcome.stderr == "err\n")
            let ended = try await service.call("DELETE", "/v1/sandboxes/\(id)")
            #expect((ended.json["result"] as? [String: Any])?["reason"] as? String == "terminated")
            #expect(service.slots().allSatisfy { $0.sandbox != id })
        }
    }
}
