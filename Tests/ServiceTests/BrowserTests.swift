import Foundation
import ServiceSupport
import Testing

/// Pages in a real browser; the checks are in `Programs/browser.py`.
@Suite("In a browser", .serialized, .timeLimit(.minutes(5)))
struct BrowserTests {
    @Test("a page behind a connect token gets through with all it asks for, and can't see the token")
    func connected() async throws { try await check("browser", "connected") }

    @Test("a page types into a terminal, and goes on where it was when the service is killed")
    func terminal() async throws {
        let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("examples").path
        let port = try await ServiceInstance.program(
            "/usr/bin/python3",
            ["-c", "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1], end='')"]
        ).output
        try await withService(options: ["--allowed-origins", "http://127.0.0.1:\(port)"]) { service in
            let control = service.directory + "/restart"
            async let page: String = service.check("browser", "terminal", [examples, port, control])
            let restarts = Task {
                while !FileManager.default.fileExists(atPath: control) {
                    try await Task.sleep(for: .milliseconds(50))
                }
                service.killService()
                try await service.startService()
                try FileManager.default.removeItem(atPath: control)
            }
            _ = try await page
            restarts.cancel()
            _ = await restarts.result
        }
    }
}
