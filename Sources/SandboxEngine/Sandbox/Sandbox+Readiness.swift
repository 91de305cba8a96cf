import Logging
import SandboxModel

extension Sandbox {
    /// The sandbox, once it is ready or `limit` has passed. Throws when it has ended without.
    func waitForReadiness(upTo limit: Duration) async throws -> SandboxSnapshot {
        _ = try await wait(for: .readiness, upTo: limit) { currentSnapshot().readySince != nil || lifecycle.isOver }
        switch lifecycle {
        case .abandoned: throw CordonError.noSandbox(id)
        case .ended(let ended) where currentSnapshot().readySince == nil: throw CordonError.isOver(id, ended.ending)
        default: return currentSnapshot()
        }
    }

    /// Tries the probe until it succeeds once, or the sandbox is over, which cancels it.
    func startProbing() {
        guard let probe = spec.readinessProbe, readyAt == nil, probing == nil else { return }
        probing = Task {
            while !Task.isCancelled, lifecycle.isAccepting {
                if await succeeds(probe) { return becomeReady() }
                do { try await world.clock.sleep(for: probe.interval) } catch { return }
            }
        }
    }

    func stopProbing() {
        probing?.cancel()
        probing = nil
    }

    private func becomeReady() {
        guard lifecycle.isAccepting, readyAt == nil else { return }
        let now = world.clock.now()
        readyAt = now
        publish(ownSnapshot())
        world.journal.write([.ready(id, at: now)] + event(.ready, at: now))
        waiters.wake(.readiness)
        waiters.wake(.events)
    }

    private func succeeds(_ probe: ReadinessProbe) async -> Bool {
        do {
            switch probe.check {
            case .tcp(let port):
                // Accepting is enough: the connection is closed with this value.
                _ = try await world.host.connect(to: port, of: id, within: probe.timeout)
                return true
            case .exec(let command): return try await succeeds(command, within: probe.timeout)
            }
        } catch { return false }
    }

    /// Runs a command that is on no record and leaves no output.
    private func succeeds(_ command: CommandSpec, within limit: Duration) async throws -> Bool {
        guard let exec = ExecID("probe-" + ExecID.mint().text.dropFirst(3)) else { return false }
        probeExec = (exec, nil)
        defer { probeExec = nil }
        let spec = ExecSpec(
            id: exec, command: command, timeout: limit, stdout: .discard, stderr: .discard, stdin: false)
        let order = ExecOrder(
            id: exec, spec: spec, environment: try await environment(), workdir: self.spec.workdir ?? "/")
        _ = try await world.host.startExec(order, in: id)
        // The shim holds the limit; what it says of the end may take a moment more.
        let deadline = world.clock.uptime() + limit + .seconds(5)
        while probeExec?.ending == nil, world.clock.uptime() < deadline {
            _ = try await wait(for: .exec(exec), upTo: deadline - world.clock.uptime()) { probeExec?.ending != nil }
        }
        return probeExec?.ending?.exitCode == 0
    }

    /// Whether an exec that ended is the one that probes.
    func hearProbe(_ exec: ExecID, _ ending: Ending) -> Bool {
        guard probeExec?.id == exec else { return false }
        probeExec?.ending = ending
        waiters.wake(.exec(exec))
        return true
    }
}
