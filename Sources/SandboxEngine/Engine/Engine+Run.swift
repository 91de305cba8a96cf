import Logging
import SandboxModel

extension Engine {
    /// How often ended sandboxes and old keys are looked through.
    package static let sweepInterval: Duration = .seconds(10)
    /// How long an idempotency key is remembered.
    package static let keyLifetime: Duration = .seconds(24 * 3600)

    /// Takes in what the machine's side reports and forgets what is kept no longer, until the task
    /// is cancelled; then everything that was handed over is written. `recover()` comes before.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.consumeReports() }
            group.addTask { await self.sweepForever() }
            await group.waitForAll()
        }
        await world.journal.settle()
    }

    private func consumeReports() async {
        for await report in world.host.reports {
            do {
                switch report {
                case .execEnded(let id, let exec, let ending):
                    try await world.registry.sandbox(id)?.execEnded(exec, with: ending)
                case .networkDenied(let id, let denial, let times):
                    await world.registry.sandbox(id)?.networkDenied(denial, times: times)
                case .sandboxEnded(let id, let ending):
                    guard let sandbox = world.registry.sandbox(id) else { continue }
                    if sandbox.snapshot.spec.volumes.isEmpty {
                        try await sandbox.finish(ending)
                    } else {
                        // Those who wait for its end wait for this: reports of others needn't.
                        Task { await sandbox.settleAndFinish(ending) }
                    }
                }
            } catch {
                world.logger.error("a report could not be taken in", metadata: ["error": "\(error)"])
            }
        }
    }

    private func sweepForever() async {
        while !Task.isCancelled {
            do {
                try await world.clock.sleep(for: Self.sweepInterval)
            } catch {
                return
            }
            await sweep()
        }
    }

    /// Forgets ended sandboxes beyond their time, their number or their size, and old keys.
    package func sweep() async {
        let now = world.clock.now()
        let overdue = world.registry.overdue(at: now, limits: world.limits)
        await withTaskGroup(of: Void.self) { group in
            for (index, sandbox) in overdue.enumerated() {
                if index >= 4 { await group.next() }
                group.addTask { await self.forget(sandbox) }
            }
        }
        do {
            try await world.records.expireKeys(
                before: Timestamp(microseconds: now.microseconds - Self.keyLifetime.microseconds))
            // Without this an idle service that was unready once would stay so.
            world.journal.noteSuccess()
        } catch {
            world.logger.error("old keys could not be forgotten", metadata: ["error": "\(error)"])
        }
    }

    /// Output first, then the record: a sandbox of which anything is left can still be found.
    func forget(_ sandbox: Sandbox) async {
        do {
            await world.journal.settle()
            try await world.host.forget(sandbox.id)
            try await world.records.remove(sandbox.id)
            world.registry.remove(sandbox)
        } catch {
            // The next sweep tries again.
            world.logger.error(
                "an ended sandbox could not be forgotten", metadata: ["sandbox": "\(sandbox.id)", "error": "\(error)"])
        }
    }
}
