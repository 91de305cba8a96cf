import Logging
import SandboxModel

extension Engine {
    /// Finds out what runs, by the records and by the machine's side, and makes the two agree.
    /// Called once, before the first request; when it throws nothing was changed, and it may be
    /// called again.
    public func recover() async throws {
        try await world.boundary.during("recovery") { try await reconcileAll() }
    }

    private func reconcileAll() async throws {
        let node = try await world.records.node()
        let recorded = try await world.records.sandboxes()
        var hosted: [SandboxID: HostedSandbox] = [:]
        for sandbox in try await world.host.inventory() { hosted[sandbox.id] = sandbox }

        let now = world.clock.now()
        var interrupted: [Sandbox] = []
        var left: [(Sandbox, RunMark)] = []
        for record in recorded.sandboxes {
            let atHost = hosted.removeValue(forKey: record.snapshot.id)
            guard let sandbox = await take(record, atHost, at: now) else { continue }
            guard case .running = sandbox.snapshot.status else { continue }
            if record.terminateRequested {
                interrupted.append(sandbox)
            } else if let mark = sandbox.snapshot.spec.run {
                left.append((sandbox, mark))
            }
        }
        for id in recorded.unreadable where hosted.removeValue(forKey: id) != nil {
            world.logger.error("a sandbox whose record can't be read is left alone", metadata: ["sandbox": "\(id)"])
        }
        await endStrays(Array(hosted.keys))
        await world.journal.settle()
        world.registry.open(as: node)
        for sandbox in interrupted { resumeTermination(of: sandbox) }
        for (sandbox, mark) in left { resumeRun(sandbox, mark) }
        world.logger.info(
            "recovered", metadata: ["on record": "\(recorded.sandboxes.count)", "strays": "\(hosted.count)"])
    }

    /// Goes on with one sandbox on record; nil when nothing is left of it. One that fails doesn't
    /// keep the others from being served.
    private func take(_ record: RecordedSandbox, _ hosted: HostedSandbox?, at now: Timestamp) async -> Sandbox? {
        do {
            return try await recover(record, hosted, at: now)
        } catch {
            world.logger.error(
                "a sandbox could not be recovered", metadata: ["sandbox": "\(record.snapshot.id)", "error": "\(error)"])
            return nil
        }
    }

    private func recover(_ record: RecordedSandbox, _ hosted: HostedSandbox?, at now: Timestamp) async throws
        -> Sandbox?
    {
        let id = record.snapshot.id
        switch (record.snapshot.status, hosted) {
        case (.creating, nil):
            // Killed before it started, and never answered: the key goes too, so that a repeat creates it.
            try await world.records.remove(id)
            return nil
        case (.ended, let hosted):
            let sandbox = Sandbox(record, world: world)
            world.registry.adopt(sandbox)
            if let hosted, hosted.ending == nil { await endStray(id, forget: false) }
            return sandbox
        case (.creating, _), (.running, _):
            let sandbox = Sandbox(record, world: world)
            world.registry.adopt(sandbox)
            try await sandbox.recover(hosted, at: now)
            return sandbox
        }
    }

    /// Ends what runs and is on nobody's record: half-made, never answered.
    private func endStrays(_ strays: [SandboxID]) async {
        await withTaskGroup(of: Void.self) { group in
            for (index, id) in strays.enumerated() {
                if index >= 8 { await group.next() }
                group.addTask { await self.endStray(id, forget: true) }
            }
        }
    }

    private func endStray(_ id: SandboxID, forget: Bool) async {
        do {
            _ = try await world.host.terminate(id, detail: "it is not on record")
            if forget { try await world.host.forget(id) }
        } catch {
            world.logger.error("a stray could not be ended", metadata: ["sandbox": "\(id)", "error": "\(error)"])
        }
    }

    /// Ends a sandbox whose end was asked for when the service was killed. Nobody waits for it; a
    /// repeat of the request shares it.
    private func resumeTermination(of sandbox: Sandbox) {
        Task {
            do {
                _ = try await sandbox.terminate()
            } catch {
                world.logger.error(
                    "an interrupted termination failed", metadata: ["sandbox": "\(sandbox.id)", "error": "\(error)"])
            }
        }
    }
}
