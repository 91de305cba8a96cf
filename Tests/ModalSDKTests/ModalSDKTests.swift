import Foundation
import ServiceSupport
import Testing

/// Programs as users of Modal's SDK write them, in `Programs`, run with the SDKs from PyPI against a service.
/// What they don't cover is in `NotCovered`.
@Suite("Modal's Python SDK", .serialized, .timeLimit(.minutes(10)))
struct ModalSDKTests {
    /// The SDK asks for a network unless a program says otherwise.
    private static let network = "--network=true"

    @Test("runs programs about sandboxes, commands, snapshots and ways in", arguments: SDK.allCases)
    func sandboxes(sdk: SDK) async throws {
        try await withService(Self.network) { service in
            for program in ["sandboxes", "options", "execs", "snapshots"] {
                try await service.check(program, with: sdk)
            }
            if sdk != .old { try await service.check("sidecars", with: sdk) }
            if sdk != .v1 {
                for program in ["files", "data", "volumes", "logs"] { try await service.check(program, with: sdk) }
            }
        }
    }

    @Test("runs its command line, also at a terminal", arguments: [SDK.v2, .old])
    func commandLine(sdk: SDK) async throws {
        try await withService(Self.network) { service in
            for program in ["cli", "terminal"] { try await service.check(program, with: sdk) }
        }
    }

    @Test("works on files in all the ways that it documents")
    func files() async throws {
        try await withService(Self.network) { service in try await service.check("filesystem", with: .v2) }
    }

    @Test("is told what isn't served, by the names that stand in the list of what isn't covered")
    func refusals() async throws {
        let all = NotCovered.refused + NotCovered.other
        print("Not covered by these programs:\n" + all.map { "- \($0)" }.joined(separator: "\n"))
        #expect(Set(all.map(\.name)).count == all.count)
        #expect(NotCovered.refused.allSatisfy { $0.reason == .refused })
        try await withService(Self.network) { service in
            let (status, output) = try await service.run("refused", with: .v2)
            #expect(status == 0, "\(output.suffix(8000))")
            let prefix = "refused: "
            let refused = output.split(separator: "\n").filter { $0.hasPrefix(prefix) }.map {
                $0.dropFirst(prefix.count)
            }
            #expect(Set(refused.map(String.init)) == Set(NotCovered.refused.map(\.name)))
        }
    }

    @Test("can neither reach others' sandboxes nor end the service by whatever it sends")
    func hostile() async throws {
        try await withService(Self.network) { service in try await service.check("hostile", with: .v2) }
    }

    @Test("mounts cloud buckets, with named secrets and others")
    func buckets() async throws {
        try await withService(Self.network, "--bucket-private-ranges", "127.0.0.1/32") { service in
            try await service.check("buckets", with: .v2)
        }
    }

    @Test("builds images on a base from a local registry", arguments: [SDK.v2, .old])
    func images(sdk: SDK) async throws {
        try await withRegistry { registry in
            let pythons = "/tmp/cordon-pythons-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: pythons, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: pythons) }
            try await withService(
                Self.network, "--registry-aliases", "docker.io=\(registry)", "--modal-uv-image", "base:1",
                "--modal-python-directory", pythons
            ) { service in
                try await service.check(
                    "images", with: sdk, adding: ["CORDON_SDK_BASE": "base:1", "CORDON_SDK_PYTHONS": pythons])
            }
        }
    }

    @Test("has fifty sandboxes at once, 100 MB of output and 50 MB of input, and one winner of a race for a name")
    func bulk() async throws {
        try await withService(Self.network) { service in try await service.check("bulk", with: .v2) }
    }

    @Test("reads and writes every byte once over connections that are cut", arguments: [SDK.v2, .v1])
    func cut(sdk: SDK) async throws {
        try await withService(Self.network) { service in try await service.check("cut", with: sdk) }
    }

    @Test("finishes its program when the service is killed in the middle of it", arguments: [SDK.v2, .v1])
    func killed(sdk: SDK) async throws {
        try await withService(Self.network) { service in
            let control = service.directory + "/kill-now"
            async let ran = service.run("killed", [control], with: sdk)
            for _ in 0..<6000 where !FileManager.default.fileExists(atPath: control) {
                try await Task.sleep(for: .milliseconds(20))
            }
            service.killService()
            try await service.startService()
            let (status, output) = try await ran
            #expect(status == 0, "\(output.suffix(8000))")
        }
    }
}
