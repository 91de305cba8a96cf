import Foundation
import ServiceSupport
import Testing

/// Sidecars through REST and the command line; the checks are in `Programs/sidecars.py`.
@Suite("Sidecars", .serialized)
struct SidecarTests {
    @Test("a sidecar shares its sandbox's network, and neither files nor processes; its name is free when it ends")
    func beside() async throws { try await check("sidecars", "beside") }

    @Test("whatever else is killed, a sidecar outlives it, and never its sandbox")
    func lifetimes() async throws {
        try await withService { service in
            let ids = try await service.check("sidecars", "begin").split(separator: "\n").map(String.init)
            service.killService()
            if let launcher = service.launcherPID { kill(launcher, SIGKILL) }
            try await service.startService()
            try await service.check("sidecars", "go_on", ids)
            // Nobody is there who could see to its end but its own shim.
            service.killService()
            let main = try #require(service.initProcess(of: ids[0]))
            let side = try #require(service.initProcess(of: ids[1]))
            kill(main, SIGKILL)
            for _ in 0..<600 where kill(side, 0) == 0 { try await Task.sleep(for: .milliseconds(100)) }
            #expect(kill(side, 0) != 0)
            try await service.startService()
            try await service.check("sidecars", "over", ids)
        }
    }

    @Test("a sidecar's policy is its sandbox's, with a network too")
    func network() async throws { try await check("sidecars", "network", service: ["--network=true"]) }
}
