import Foundation
import Glibc
import ServiceSupport
import Testing

/// Kills service and launcher at random moments while `Programs/crashes.py` makes and removes images.
@Suite("Crashes of images", .serialized, .timeLimit(.minutes(5)))
struct CrashTests {
    private static let kills = 24

    @Test("images that were answered outlive every kill and start, and nothing is orphaned")
    func images() async throws {
        let seed =
            ProcessInfo.processInfo.environment["CRASH_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1...999_999)
        print("crashes of images: seed \(seed) (CRASH_SEED repeats it)")
        var chance = SeededGenerator(state: seed)
        try await withService(options: ["--pool-size", "4"]) { service in
            let control = service.directory + "/control"
            try FileManager.default.createDirectory(atPath: control, withIntermediateDirectories: true)
            let workload = Task { try await service.check("crashes", "workload", [control, "\(seed)"]) }
            // The first kill strikes when there is something to strike.
            for _ in 0..<600 where !FileManager.default.fileExists(atPath: control + "/started") {
                try await Task.sleep(for: .milliseconds(100))
            }
            for _ in 0..<Self.kills where !FileManager.default.fileExists(atPath: control + "/failed") {
                let victims = Int.random(in: 0..<3, using: &chance)
                if victims != 0, let launcher = service.launcherPID { Glibc.kill(launcher, SIGKILL) }
                if victims != 1 {
                    service.killService()
                    try await service.startService()
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...700, using: &chance)))
            }
            makeEmptyFile(at: control + "/stop")
            print("crashes of images:", try await workload.value.prefix(1000))
            // Builders of interrupted work have been ended, and with them their slots.
            var left = service.slots().filter { !$0.sandbox.isEmpty }
            for _ in 0..<600 where !left.isEmpty {
                try await Task.sleep(for: .milliseconds(100))
                left = service.slots().filter { !$0.sandbox.isEmpty }
            }
            #expect(left.isEmpty, "\(left)")
        }
    }
}
