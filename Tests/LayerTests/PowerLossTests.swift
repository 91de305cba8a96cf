import Foundation
import Glibc
import ServiceSupport
import Testing

/// What becomes of layers when the machine stops, told by what it leaves on disk.
@Suite("Loss of power", .serialized)
struct PowerLossTests {
    @Test("a snapshot is on disk soon after, whatever is killed; one that wasn't yet is gone with its image")
    func snapshots() async throws {
        try await withService { service in
            let layers = service.dataDirectory + "/storage/layers"
            let sandbox = try await service.create()
            let whole = try await snapshot(of: sandbox, writing: "whole", service)
            // Its successor goes on with what is still to be done.
            if let launcher = service.launcherPID { kill(launcher, SIGKILL) }
            try await wait { isMarked(whole.layer, in: layers) }
            let torn = try await snapshot(of: sandbox, writing: "torn", service)
            try await wait { isMarked(torn.layer, in: layers) }
            let empty = try await snapshot(of: sandbox, writing: "empty", service)
            try await wait { isMarked(empty.layer, in: layers) }

            // As the machine's next start would find them.
            for image in [whole, torn] { try age("\(layers)/\(image.layer)/facts") }
            try Data().write(to: URL(fileURLWithPath: "\(layers)/\(empty.layer)/facts"))
            for image in [torn, empty] {
                try FileManager.default.removeItem(atPath: "\(layers)/\(image.layer)/durable")
            }
            if let launcher = service.launcherPID { kill(launcher, SIGKILL) }
            service.killService()
            try await service.startService()

            for image in [torn, empty] {
                #expect(try await service.call("GET", "/v1/images/\(image.id)").status == 404)
                #expect(service.log.contains(image.id), "\(service.log)")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: layers) == [whole.layer])
            #expect(try FileManager.default.contentsOfDirectory(atPath: layers + "/../lost").isEmpty)
            let next = try await service.create(["image": whole.id])
            #expect(try await service.run(["cat", "/srv/note"], in: next).stdout == "whole\n")
        }
    }

    private func snapshot(
        of sandbox: String, writing text: String, _ service: ServiceInstance
    ) async throws -> (id: String, layer: String) {
        _ = try await service.run(["sh", "-c", "echo \(text) > /srv/note"], in: sandbox)
        let made = try await service.call("POST", "/v1/sandboxes/\(sandbox)/snapshots", json: [:])
        let layer = try #require((made.json["layers"] as? [String])?.last, "\(made.text)")
        return (made["id"], layer)
    }

    private func isMarked(_ layer: String, in layers: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(layers)/\(layer)/durable")
    }

    /// Makes a record one of another start of the machine.
    private func age(_ facts: String) throws {
        let url = URL(fileURLWithPath: facts)
        let now = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
            .trimmingCharacters(in: .newlines)
        var bytes = try Data(contentsOf: url)
        let place = try #require(bytes.range(of: Data(now.utf8)), "the facts don't say when they were written")
        bytes.replaceSubrange(place, with: Data(String(now.reversed()).utf8))
        try bytes.write(to: url)
    }

    private func wait(until isSo: () -> Bool) async throws {
        for _ in 0..<600 {
            if isSo() { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ServiceInstance.Unavailable("what was waited for didn't come within a minute")
    }
}
