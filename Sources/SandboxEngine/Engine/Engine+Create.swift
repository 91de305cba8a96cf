import Logging
import SandboxModel

extension Engine {
    public func create(_ spec: SandboxSpec, by caller: Caller, key: IdempotencyKey?) async throws -> SandboxSnapshot {
        try await timed(world.observer.sandboxAsked) {
            try await uncancelled("creating a sandbox") { [self] in
                guard world.registry.isOpen else { throw CordonError.notRecovered }
                guard let key else { return try await creation(of: spec, by: caller, key: nil) }
                return try await gate.pass(KeyGate.Scope(key, caller)) {
                    switch try await world.records.outcome(of: key, by: caller, in: nil, at: world.clock.now()) {
                    case .new: try await creation(of: spec, by: caller, key: key)
                    case .existing(let id): try await earlier(id)
                    case .conflict: throw CordonError.keyConflict(key)
                    }
                }
            }
        }
    }

    /// Reserve, write the intent, launch, write the start. What fails leaves nothing: no name, no
    /// record, no sandbox.
    private func creation(of spec: SandboxSpec, by caller: Caller, key: IdempotencyKey?) async throws -> SandboxSnapshot
    {
        let appID = try await world.records.app(named: spec.app)
        let sandbox = try world.registry.reserve(spec, appID: appID, world: world)
        switch try await begin(sandbox, by: caller, key: key) {
        case .new: break
        case .existing(let id):
            await sandbox.abandon(because: CordonError(.aborted, "a repeat"))
            return try await earlier(id)
        case .conflict:
            await sandbox.abandon(because: CordonError(.aborted, "a repeat"))
            throw key.map(CordonError.keyConflict) ?? CordonError(.aborted, "the record refused the sandbox")
        }
        return try await sandbox.launched(try await launch(sandbox))
    }

    private func begin(
        _ sandbox: Sandbox, by caller: Caller, key: IdempotencyKey?
    ) async throws -> IdempotencyOutcome {
        let created = SandboxEvent(number: 1, at: sandbox.createdAt, kind: .created)
        do {
            return try await world.records.begin(sandbox.snapshot, events: [created], key: key, by: caller)
        } catch {
            await sandbox.abandon(because: world.boundary.convert(error, during: "recording a sandbox"))
            throw error
        }
    }

    private func launch(_ sandbox: Sandbox) async throws -> LaunchReceipt {
        do {
            return try await world.host.launch(sandbox.launchOrder())
        } catch {
            // The record goes first: once the name is free, nothing on record claims it.
            do {
                try await world.records.remove(sandbox.id)
            } catch {
                // Recovery removes it: it is on record as being created, and at no host.
                world.logger.error(
                    "the record of a sandbox that didn't start could not be removed",
                    metadata: ["sandbox": "\(sandbox.id)", "error": "\(error)"])
            }
            let reason = world.boundary.convert(error, during: "starting a sandbox")
            await sandbox.abandon(because: reason)
            throw reason
        }
    }

    /// The sandbox that an earlier request with the same key made.
    private func earlier(_ text: String) async throws -> SandboxSnapshot {
        guard let id = SandboxID(text), let sandbox = world.registry.sandbox(id) else {
            throw CordonError(
                .dataLoss, "the sandbox \(text), which this Idempotency-Key made, can't be read", value: text)
        }
        try await sandbox.untilLaunched()
        return sandbox.snapshot
    }
}
