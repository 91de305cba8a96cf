import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension Launcher {
    private static let mostQueued = 4096

    /// Makes a prepared sandbox somebody's, or the next one that is built.
    func launch(
        _ assignment: Assignment, for connection: Int, answer: @escaping (Result<Launched, Failure>) -> Void
    ) {
        do {
            try verify(assignment)
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
        if queue.isEmpty && !pool.prepared.isEmpty { pool.hits += 1 } else { pool.misses += 1 }
        queue.append(QueuedLaunch(connection: connection, assignment: assignment, answer: answer))
        serveQueue()
        refill()
    }

    private func verify(_ assignment: Assignment) throws {
        guard sandboxes[assignment.id] == nil, !files.sandboxes.exists(assignment.id.text) else {
            throw Failure(.alreadyExists, "sandbox \(assignment.id) exists")
        }
        guard !isShuttingDown else { throw Failure(.unavailable, "the launcher is shutting down") }
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
        guard assignment.timeout > .zero, assignment.timeout <= SandboxSpec.maximumTimeout else {
            throw Failure(.invalidArgument, "timeout is out of range")
        }
    }

    /// Gives prepared slots to those who wait, in order.
    func serveQueue() {
        while !queue.isEmpty, let slot = pool.prepared.values.first {
            let next = queue.removeFirst()
            assign(slot, next.assignment, next.answer)
        }
    }

    private func assign(
        _ slot: Slot, _ assignment: Assignment, _ answer: @escaping (Result<Launched, Failure>) -> Void
    ) {
        slot.state = .assigning(answer: answer)
        slot.sandbox = assignment.id
        sandboxes[assignment.id] = slot
        do {
            // Whose it is stands on disk before the shim knows: whoever is killed now, the next
            // launcher finds out by asking the shim.
            let record = SlotRecord(
                bootID: bootID, idBase: slot.idBase, group: slot.group.path, sandbox: assignment.id.text)
            try files.runSlots.directory(slot.name).replace(SlotNames.record, with: record.record)
            if assignment.limits != defaultLimits { try slot.group.apply(assignment.limits.groupLimits) }
            slot.channel?.send(assignment, request: 2)
        } catch {
            slot.state = .running
            slot.launchFailed = true
            slot.waiters.append { _ in answer(.failure(Failure(.internal, "\(error)"))) }
            end(slot, "it could not be assigned")
        }
    }
}
