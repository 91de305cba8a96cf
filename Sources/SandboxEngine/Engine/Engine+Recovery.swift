import Logging
import SandboxModel

extension Engine {
    /// Finds out what runs, by the records and by the machine's side, and makes the two agree.
    /// Called once, before the first request; when it throws nothing was changed, and it may be
    /// called again.
    public func recover() async throws {
        try await world.boundary.during("recovery") {
            await resealAll()
            try await reconcileAll()
        }
    }

    private func reconcileAll() async throws {
        let node = try await world.records.node()
        let recorded = try await world.records.sandboxes()
        var hosted: [SandboxID: HostedSandbox] = [:]
        for sandbox in try await world.host.inventory() { hosted[sandbox.id] = sandbox }

        let now = world.clock.now()
        var interrupted: [Sandbox] = []
        var left: [(Sandbox, RunMark)] = []
        var changing: [Sandbox] = []
        for record in recorded.sandboxes {
            let atHost = hosted.removeValue(forKey: record.snapshot.id)
            guard let sandbox = await take(record, atHost, at: now) else { continue }
            guard case .running = sandbox.snapshot.status else { continue }
            if sandbox.snapshot.spec.networkChange != nil { changing.append(sandbox) }
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
        await settleVolumes(of: recorded.unreadable)
        await finishNetworkChanges(of: changing)
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
            let sandbox = recovered(record)
            if let hosted, hosted.ending == nil { await endStray(id, forget: false) }
            return sandbox
        case (.creating, _), (.running, _):
            let sandbox = recovered(record)
            try await sandbox.recover(hosted, at: now)
            await sandbox.reopenTunnels()
            return sandbox
        }
    }

    /// Takes a sandbox of the records in. What it may be a sidecar of was created before it, and is there.
    private func recovered(_ record: RecordedSandbox) -> Sandbox {
        let main = record.snapshot.spec.sidecarOf.flatMap(world.registry.sandbox)
        let sandbox = Sandbox(record, main: main, world: world)
        world.registry.adopt(sandbox)
        return sandbox
    }

    /// Publishes what sandboxes wrote that have ended meanwhile, before anybody is told of their end. What can't be
    /// published now is later.
    private func settleVolumes(of unreadable: [SandboxID]) async {
        var living = Set(unreadable)
        for sandbox in world.registry.sandboxes() {
            if case .ended = sandbox.snapshot.status { continue }
            living.insert(sandbox.id)
        }
        do {
            try await world.volumes.recover(living: living)
        } catch {
            world.logger.error("volumes could not be recovered", metadata: ["error": "\(error)"])
        }
    }

    /// Finishes changes that were on their way: nobody is told of a policy that doesn't hold.
    private func finishNetworkChanges(of sandboxes: [Sandbox]) async {
        for sandbox in sandboxes {
            do {
                try await sandbox.finishNetworkChange()
            } catch {
                world.logger.error(
                    "a change of a network policy could not be finished",
                    metadata: ["sandbox": "\(sandbox.id)", "error": "\(error)"])
            }
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
