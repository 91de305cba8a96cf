import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension Launcher {
    private static let mostQueued = 4096

    /// Makes a prepared sandbox somebody's, or the next one that is built.
    func launch(
        _ assignment: Assignment, as kind: SlotKind, _ mounts: [LayerMount], _ buckets: [BucketOrder],
        for connection: Int,
        answer: @escaping (Result<Launched, Failure>) -> Void
    ) {
        do {
            try verify(assignment, kind)
        } catch let failure as Failure {
            answer(.failure(failure))
            return
        } catch {
            answer(.failure(Failure(.internal, "\(error)")))
            return
        }
        guard queue.count < Self.mostQueued else {
            answer(.failure(Failure(.resourceExhausted, "\(Self.mostQueued) launches wait already")))
            return
        }
        lastLaunch = cordon_boottime_ns()
        if kind != usual, kind.sidecarOf == nil { pool.note(kind, at: lastLaunch) }
        if queue.isEmpty && !pool.prepared(kind).isEmpty { pool.hits += 1 } else { pool.misses += 1 }
        queue.append(
            QueuedLaunch(
                connection: connection, assignment: assignment, kind: kind, mounts: mounts, buckets: buckets,
                answer: answer))
        serveQueue()
        refill()
    }

    private func verify(_ assignment: Assignment, _ kind: SlotKind) throws {
        guard sandboxes[assignment.id] == nil, !files.sandboxes.exists(assignment.id.text) else {
            throw Failure(.alreadyExists, "sandbox \(assignment.id) exists")
        }
        guard !isShuttingDown else { throw Failure(.unavailable, "the launcher is shutting down") }
        try checkReserve()
        let limits = assignment.limits
        guard limits.memoryBytes >= 16 << 20, limits.memoryBytes <= 1 << 44, (1...4_000_000).contains(limits.pids),
            limits.cpuMillicores <= 1_024_000, limits.cpuWeightMillicores <= 1_024_000
        else { throw Failure(.invalidArgument, "limits are out of range") }
        guard (1...63).contains(assignment.hostname.utf8.count), NameRules.isName(assignment.hostname) else {
            throw Failure(.invalidArgument, "hostname is not a name")
        }
        guard assignment.seccomp.count % 8 == 0, (8...32_768).contains(assignment.seccomp.count) else {
            throw Failure(.invalidArgument, "the seccomp program has a wrong size")
        }
        if assignment.network != .blocked { _ = try theNetwork() }
        if let main = kind.sidecarOf {
            _ = try mainSlot(main)
            guard assignment.network == .blocked else {
                throw Failure(.invalidArgument, "a sidecar has the network of its sandbox, and none of its own")
            }
        }
        for layer in kind.root.layers where !files.layers.exists(layer.text) {
            throw Failure(.failedPrecondition, "layer \(layer) of the image is not here")
        }
        if kind.diskMiB > 0 {
            guard Resources.diskMiBRange.contains(Int(kind.diskMiB)) else {
                throw Failure(.invalidArgument, "limits are out of range")
            }
            _ = try SandboxDisk.program()
        }
        guard assignment.timeout > .zero, assignment.timeout <= SandboxSpec.maximumTimeout else {
            throw Failure(.invalidArgument, "timeout is out of range")
        }
    }

    /// Gives prepared slots to those who wait, in order.
    func serveQueue() {
        var index = 0
        while index < queue.count, pool.preparedCount > 0 {
            guard let slot = pool.prepared(queue[index].kind).values.first else {
                index += 1
                continue
            }
            let next = queue.remove(at: index)
            assign(slot, next)
        }
    }

    private func assign(_ slot: Slot, _ launch: QueuedLaunch) {
        let (assignment, answer) = (launch.assignment, launch.answer)
        slot.state = .assigning(answer: answer)
        slot.sandbox = assignment.id
        sandboxes[assignment.id] = slot
        do {
            // Whose it is stands on disk before the shim knows: whoever is killed now, the next
            // launcher finds out by asking the shim.
            try reserveNetwork(for: slot, assignment.network)
            try files.runSlots.directory(slot.name).replace(SlotNames.owner, with: owner(of: slot).record)
            try keepRouter(in: slot)
            try showMounts(of: launch, in: slot) { [unowned self] result in
                // Its shim may have died meanwhile.
                guard slot.isAssigning else { return }
                do {
                    try result.get()
                    try self.tellShim(of: slot, assignment)
                } catch { self.assignmentFailed(slot, answer, error) }
            }
        } catch { assignmentFailed(slot, answer, error) }
    }

    /// Layers first, so that a bucket can be in a volume's path.
    private func showMounts(
        of launch: QueuedLaunch, in slot: Slot, answer: @escaping (Result<Void, Failure>) -> Void
    ) throws {
        let buckets = { [unowned self] in
            guard !launch.buckets.isEmpty else { return answer(.success(())) }
            try self.mount(launch.buckets, in: slot, answer: answer)
        }
        guard !launch.mounts.isEmpty else { return try buckets() }
        try mount(launch.mounts, in: slot, makingPaths: true) { result in
            guard slot.isAssigning else { return }
            do {
                try result.get()
                try buckets()
            } catch { answer(.failure(error as? Failure ?? Failure(.internal, "\(error)"))) }
        }
    }

    private func tellShim(of slot: Slot, _ assignment: Assignment) throws {
        // Where nothing runs before the answer, the pair can be made while the shim does its part.
        if assignment.main != nil { try attachNetwork(of: slot, assignment.network) }
        if assignment.limits != defaultLimits { try slot.group.apply(assignment.limits.groupLimits) }
        slot.channel?.send(assignment, request: 2)
        try attachNetwork(of: slot, assignment.network)
    }

    private func assignmentFailed(
        _ slot: Slot, _ answer: @escaping (Result<Launched, Failure>) -> Void, _ error: any Error
    ) {
        slot.state = .running
        slot.launchFailed = true
        let failure = error as? Failure ?? Failure(.internal, "\(error)")
        slot.waiters.append { _ in answer(.failure(failure)) }
        end(slot, "it could not be assigned")
        answerInventory()
    }
}
