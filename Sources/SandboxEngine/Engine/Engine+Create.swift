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

    /// Finds what it is made from, which is kept until the sandbox itself keeps it.
    private func creation(of spec: SandboxSpec, by caller: Caller, key: IdempotencyKey?) async throws -> SandboxSnapshot
    {
        try await world.images.withImage(try ImageName(spec.image)) { image in
            try await creation(of: spec.made(from: image), with: caller, key: key)
        }
    }

    /// Reserve, write the intent, launch, write the start. What fails leaves nothing: no name, no
    /// record, no sandbox.
    private func creation(
        of spec: SandboxSpec, with caller: Caller, key: IdempotencyKey?
    ) async throws -> SandboxSnapshot {
        let main = try await main(of: spec)
        var spec = main.map { spec.joining($0.snapshot) } ?? spec
        spec.network = spec.network ?? world.limits.defaultNetwork
        try world.checkNetwork(spec.network)
        let secrets = try await world.vault.resolve(spec.secrets)
        spec.hasSecrets = !spec.secrets.isEmpty
        spec.secrets = []
        let buckets = try await world.vault.resolve(spec.buckets)
        spec.buckets = buckets.map(\.mount)
        let appID = try await world.records.app(named: spec.app)
        let sandbox = try world.registry.reserve(spec, besides: main, appID: appID, world: world)
        // Their places stand in the record of the intent.
        try await sandbox.openTunnels()
        let mounts = try await sandbox.attachVolumes()
        switch try await begin(sandbox, with: secrets, by: caller, key: key) {
        case .new: break
        case .existing(let id):
            await sandbox.abandon(because: CordonError(.aborted, "a repeat"))
            return try await earlier(id)
        case .conflict:
            await sandbox.abandon(because: CordonError(.aborted, "a repeat"))
            throw key.map(CordonError.keyConflict) ?? CordonError(.aborted, "the record refused the sandbox")
        }
        var order = sandbox.launchOrder(with: secrets, mounts)
        order.buckets = buckets
        return try await sandbox.launched(try await launch(sandbox, by: order))
    }

    private func begin(
        _ sandbox: Sandbox, with secrets: Environment, by caller: Caller, key: IdempotencyKey?
    ) async throws -> IdempotencyOutcome {
        let created = SandboxEvent(number: 1, at: sandbox.createdAt, kind: .created)
        do {
            let snapshot = sandbox.snapshot
            return try await world.records.begin(
                snapshot, events: [created],
                secrets: snapshot.spec.hasSecrets ? try world.vault.seal(secrets, of: sandbox.id) : nil, key: key,
                by: caller)
        } catch {
            await sandbox.abandon(because: world.boundary.convert(error, during: "recording a sandbox"))
            throw error
        }
    }

    private func launch(_ sandbox: Sandbox, by order: LaunchOrder) async throws -> LaunchReceipt {
        do {
            return try await world.host.launch(order)
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
