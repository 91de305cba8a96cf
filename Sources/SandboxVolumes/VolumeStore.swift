public import LayerKeeping
public import Logging
public import SandboxModel

/// The volumes of this machine: trees of files that outlive sandboxes, kept as chains of layers.
///
/// A sandbox sees its volume as it was when it started, with a writable layer of its own; what it writes becomes a
/// layer on top of the chain (`VolumeStore+Sandboxes`). Files are read and changed from outside in sandboxes that are
/// on nobody's record (`VolumeStore+Files`).
public final class VolumeStore: VolumeService, VolumeSource {
    let records: any VolumeRecords
    let machine: any VolumeHost
    let agents: VolumeAgents
    let pins: PinBoard
    let limits: VolumeLimits
    let logger: Logger
    /// One commit of a volume at a time.
    let volumeTurns = Turns<VolumeID>()
    /// One change of what a sandbox's volumes show at a time; held before a volume's turn.
    let sandboxTurns = Turns<SandboxID>()
    /// One creation of a name at a time.
    private let nameTurns = Turns<VolumeName>()
    let publishing: Publishing

    /// - Parameters:
    ///   - host: Starts the sandboxes in which files are worked on from outside, of which nobody else knows.
    ///   - pins: Keeps layers that are being made from whoever removes those that nothing stands on.
    ///   - node: Leads the ids of those sandboxes.
    public init(
        host: any SandboxHost, machine: any VolumeHost, records: any VolumeRecords, pins: PinBoard, node: NodeName,
        limits: VolumeLimits = VolumeLimits(), logger: Logger
    ) {
        self.records = records
        self.machine = machine
        self.pins = pins
        self.limits = limits
        self.logger = logger
        agents = VolumeAgents(host: host, machine: machine, pins: pins, node: node, limits: limits, logger: logger)
        publishing = Publishing(interval: limits.publishInterval)
    }

    // MARK: Which there are

    public func createVolume(
        _ name: VolumeName, ifExists: ExistingVolumePolicy, by caller: Caller, key: IdempotencyKey?
    ) async throws -> VolumeSnapshot {
        try await during("creating a volume") {
            // Two requests of one key have one body, and so one name.
            try await nameTurns.hold(name) {
                switch try await key.asyncMap({ try await records.outcome(of: $0, by: caller, at: .now()) }) ?? .new {
                case .new: return try await create(name, ifExists, by: caller, key: key)
                case .existing(let text):
                    guard let id = VolumeID(text), let known = try await records.volume(.id(id)) else { fallthrough }
                    return known.snapshot
                case .conflict:
                    throw CordonError(
                        .failedPrecondition, "this Idempotency-Key was used for another request",
                        field: "Idempotency-Key", value: key?.key,
                        rule: "a key belongs to one request: the same route and the same body")
                }
            }
        }
    }

    private func create(
        _ name: VolumeName, _ ifExists: ExistingVolumePolicy, by caller: Caller, key: IdempotencyKey?
    ) async throws -> VolumeSnapshot {
        let now = Timestamp.now()
        let fresh = VolumeSnapshot(id: .mint(), name: name, version: 1, createdAt: now, changedAt: now)
        switch try await records.add(fresh, key: key, by: caller) {
        case .added(let volume): return volume
        case .full(let rule): throw CordonError(.resourceExhausted, "there are too many volumes: \(rule)", rule: rule)
        case .nameTaken(let there):
            guard ifExists == .keep else { throw CordonError.volumeNameTaken(there) }
            if let key { try await records.use(key, by: caller, for: there.id, at: now) }
            return there
        }
    }

    public func volume(_ reference: VolumeReference) async throws -> VolumeSnapshot {
        try await during("finding a volume") { try await find(reference).snapshot }
    }

    func find(_ reference: VolumeReference) async throws -> StoredVolume {
        guard let found = try await records.volume(reference) else { throw CordonError.noVolume(reference) }
        return found
    }

    public func volumes(before: Timestamp?, limit: Int) async throws -> VolumePage {
        try await during("listing volumes") {
            try await records.volumes(before: before, limit: min(max(limit, 1), 1000))
        }
    }

    public func renameVolume(_ reference: VolumeReference, to name: VolumeName) async throws -> VolumeSnapshot {
        try await during("renaming a volume") {
            guard let renamed = try await records.rename(find(reference).snapshot.id, to: name) else {
                throw CordonError.noVolume(reference)
            }
            return renamed
        }
    }

    public func deleteVolume(_ reference: VolumeReference) async throws {
        try await during("deleting a volume") {
            guard let users = try await records.remove(find(reference).snapshot.id) else {
                throw CordonError.noVolume(reference)
            }
            guard users.isEmpty else {
                throw CordonError(
                    .failedPrecondition,
                    "volume \(reference) is in use by \(users.prefix(3).map(\.text).joined(separator: ", "))"
                        + (users.count > 3 ? " and \(users.count - 3) more" : ""),
                    field: "volume", value: reference.description, rule: "terminate the sandboxes that have it first")
            }
        }
    }

    /// Turns what `work` throws into what callers see.
    func during<Value>(_ what: String, _ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch let error as CordonError {
            throw error
        } catch is CancellationError {
            throw CordonError(.cancelled, "the caller went away during: \(what)")
        } catch {
            logger.error("\(what) failed", metadata: ["error": "\(error)"])
            throw CordonError(.internal, "\(what) failed inside the service; its log says why")
        }
    }
}

/// How volumes are worked on.
public struct VolumeLimits: Sendable, Hashable {
    /// How long what a running sandbox writes may stay its own.
    public var publishInterval: Duration = .seconds(5)
    /// Commits in the background, and volumes that are being merged, at a time.
    public var works = 2
    /// Layers of a volume beyond which they are merged into one.
    public var mergedBeyond = 24
    /// Layers beyond which nothing is published until they are merged.
    public var mostLayers = 300
    /// Sandboxes in which files are worked on from outside.
    public var agents = 16
    /// How long one that nobody uses is kept.
    public var agentIdleTime: Duration = .seconds(10)
    /// How long one lives.
    public var agentLifetime: Duration = .seconds(4 * 3600)

    public init() {}
}

extension Optional {
    fileprivate func asyncMap<Value>(_ change: (Wrapped) async throws -> Value) async rethrows -> Value? {
        guard let self else { return nil }
        return try await change(self)
    }
}
