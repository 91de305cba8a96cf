import Foundation
import ServiceSupport
import Testing

/// `examples/native-client` as an implementation of WebSocket, TLS and JSON that shares nothing with ours;
/// the checks are in `Programs/native_client.py`.
@Suite("A client in C over libwebsockets", .serialized, .timeLimit(.minutes(5)))
struct NativeClientTests {
    /// Builds the client in the instance's directory.
    private func built(_ service: ServiceInstance) async throws -> String {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("examples/native-client").path
        let folder = service.directory + "/native-client"
        try FileManager.default.copyItem(atPath: source, toPath: folder)
        let (status, output) = try await ServiceInstance.program("/usr/bin/make", ["-C", folder, "-B"])
        try #require(status == 0, "\(output)")
        return folder + "/cordon-attach"
    }

    @Test(
        "has a shell on a terminal over wss://, with resizes and the exit status", arguments: ["a_terminal", "pipes"])
    func sessions(check: String) async throws {
        try await withService("--tls", "development-ca") { service in
            try await service.check("native_client", check, [try await built(service)])
        }
    }

    @Test("goes on where it was when its connection is cut and when the service is killed")
    func cuts() async throws {
        try await withService("--tls", "development-ca") { service in
            let program = try await built(service)
            let control = service.directory + "/control"
            try FileManager.default.createDirectory(atPath: control, withIntermediateDirectories: true)
            let session = Task { try await service.check("native_client", "through_restarts", [program, control]) }
            for _ in 0..<1500 where !FileManager.default.fileExists(atPath: control + "/ready") {
                try await Task.sleep(for: .milliseconds(20))
            }
            for _ in 0..<3 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 300...800)))
                service.killService()
                try await service.startService()
            }
            makeEmptyFile(at: control + "/stop")
            _ = try await session.value
        }
    }
}
