import Foundation
import ServiceSupport
import Testing

/// The configuration of the real program.
struct ConfigurationTests {
    private func cordond(_ arguments: [String], environment: [String: String] = [:]) async throws
        -> (status: Int32, output: String)
    {
        try await ServiceInstance.program(
            try ServiceInstance.products + "/cordond", arguments,
            environment: environment.merging(["PATH": "/usr/bin:/bin"]) { $1 })
    }

    @Test("a service that can't start with its configuration says all that is wrong, with status 78")
    func refusal() async throws {
        let (status, output) = try await cordond(
            ["--pool-size", "many", "--lisen", "x"], environment: ["CORDON_RUN_DIR": "here"])
        #expect(status == 78)
        #expect(
            output.split(separator: "\n") == [
                "CORDON_RUN_DIR: run_dir is an absolute path, not here",
                "--lisen: there is no option --lisen; there is --listen",
                "--pool-size: pool_size is an integer from 0 to 256, not many",
            ])
    }

    @Test("the machine's own bounds are checked too, without starting anything")
    func check() async throws {
        let (status, output) = try await cordond(
            ["config", "check", "--user", "no-such-account", "--policy-dir", "/nonexistent"])
        #expect(status == 78)
        #expect(output.contains("--user: user names no account"))
        #expect(output.contains("--policy-dir: policy_dir names no directory"))
        #expect(try await cordond(["config", "check", "--pool-size", "1"]).status == 0)
    }

    @Test("a service does as its file says")
    func file() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "cordond-\(UUID().uuidString).yaml").path
        try "max_sandboxes: 1\npool_size: 1\n".write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await withService("--config", path) { service in
            _ = try await service.create()
            let refused = try await service.call("POST", "/v1/sandboxes", json: [:])
            #expect(refused.status == 429)
        }
    }
}
