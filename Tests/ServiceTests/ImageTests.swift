import Foundation
import ServiceSupport
import Testing

@Suite("Images", .serialized)
struct ImageTests {
    @Test("an image from docker-registry is what was pushed, and goes once nothing uses it")
    func pulled() async throws { try await check("images", "pulled") }

    @Test("the command line pulls, imports, builds, lists and removes images")
    func commandLine() async throws { try await check("images", "command_line") }

    @Test("a Dockerfile is built step by step, on an image and on the host's, and cached")
    func built() async throws { try await check("images", "built") }

    @Test("hostile layers hurt nothing but themselves")
    func hostile() async throws { try await check("images", "hostile") }

    @Test("a service that is killed while it pulls goes on with it, and nothing is orphaned")
    func killed() async throws {
        try await withService { service in
            async let checked: Void = { _ = try await service.check("images", "killed") }()
            for _ in 0..<6 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 50...700)))
                service.killService()
                try await service.startService()
            }
            try await checked
            let listed = try await service.call("GET", "/v1/images")
            #expect((listed.json["images"] as? [Any])?.count == 1)
            _ = try await service.call("POST", "/v1/images/collect")
            let sandboxes = service.slots().filter { !$0.sandbox.isEmpty }
            #expect(sandboxes.count == 1, "no builder is left: \(sandboxes)")
            let blobs = try FileManager.default.contentsOfDirectory(atPath: service.dataDirectory + "/service/blobs")
            #expect(blobs == [])
        }
    }
}
