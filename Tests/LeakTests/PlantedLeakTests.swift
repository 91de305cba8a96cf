import Foundation
import ProgramSupport
import ServiceSupport
import Testing

@Suite("The census sees a planted leak", .serialized)
struct PlantedLeakTests {
    @Test("of each kind")
    func planted() async throws {
        _ = HostCensus.keysBefore
        try await withService("--pool-size", "2") { service in
            let before = try await HostCensus.quiet(service, pool: 2)
            let instance = try Instance(service)
            for leak in try PlantedLeak.all(service, instance) {
                try await leak.plant()
                var seen: [String] = []
                var isSeen = false
                for _ in 0..<100 where !isSeen {
                    seen = HostCensus.take(of: instance).difference(from: before)
                    isSeen = seen.contains { $0.hasPrefix("+") && $0.contains(" \(leak.item)") }
                    if !isSeen { try await Task.sleep(for: .milliseconds(100)) }
                }
                #expect(isSeen, "\(leak.item): \(seen)")
                try await leak.remove()
                let left = try await HostCensus.settle(service, to: before)
                #expect(left == [], "\(leak.item) is still seen after it was removed")
            }
        }
    }

    @Test("of a namespace that no process lives in")
    func heldNamespace() async throws {
        guard let handles = NamespaceHandles() else { return }
        let process = try HostProgram("/usr/bin/unshare", ["-n", "-i", "-u", "sleep", "1000"])
        while link("/proc/\(process.pid)/ns/uts") == link("/proc/self/ns/uts") { usleep(1000) }
        handles.remember(process: process.pid)
        let held = open("/proc/\(process.pid)/ns/net", O_RDONLY | O_CLOEXEC)
        process.kill(SIGKILL)
        process.wait()
        for _ in 0..<100 where handles.living.count > 1 { try await Task.sleep(for: .milliseconds(50)) }
        #expect(handles.living.map { $0.prefix(4) } == ["net:"])
        close(held)
        for _ in 0..<100 where !handles.living.isEmpty { try await Task.sleep(for: .milliseconds(50)) }
        #expect(handles.living == [])
    }
}
