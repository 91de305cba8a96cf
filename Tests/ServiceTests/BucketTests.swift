import Foundation
import ServiceSupport
import Testing

/// Buckets of an S3 service on loopback; the checks are in `Programs/buckets.py`.
@Suite("Buckets", .serialized, .timeLimit(.minutes(10)))
struct BucketTests {
    private static let opened = ["--bucket-private-ranges", "127.0.0.1/32"]

    @Test(
        "a bucket is read, written and listed as files, from the main command's start on, and kept by its service alone"
    )
    func basics() async throws { try await check("buckets", "basics", service: Self.opened) }

    @Test("prefixes, read-only buckets, several of them, runs, and buckets beside volumes")
    func places() async throws { try await check("buckets", "places", service: Self.opened) }

    @Test("what can't be is refused: unknown buckets, dead endpoints, addresses that aren't open, half of the keys")
    func refusals() async throws { try await check("buckets", "refusals", service: Self.opened) }

    @Test("keys are in nobody's environment, command line, files or words; the program that has them has no rights")
    func planted() async throws {
        try await withService(options: Self.opened + ["--log-level", "trace"]) { service in
            try await service.check("buckets", "planted", [service.directory, "planted" + UUID().uuidString])
        }
    }

    @Test("a service that has stopped, and a program that has, keep no sandbox from ending")
    func dead() async throws { try await check("buckets", "dead", service: Self.opened) }

    @Test("buckets are served on while service and launcher are killed")
    func kills() async throws {
        try await withService(options: Self.opened) { service in
            let port = "\(somePort())"
            let words = try await service.check("buckets", "before_the_kill", [port])
                .split(whereSeparator: \.isWhitespace).map(String.init)
            if let launcher = service.launcherPID { kill(launcher, SIGKILL) }
            service.killService()
            try await service.startService()
            try await service.check("buckets", "after_the_kill", [port] + words)
        }
    }
}
