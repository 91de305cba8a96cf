import CLinux
import LinuxSystem
import SandboxModel
import ShimProtocol

extension SandboxSupervisor {
    /// Sets the lifetime, counted from the start on `CLOCK_BOOTTIME`: time asleep counts too.
    func setLifetime(_ timeout: Duration) {
        loop.cancel(lifetimeTimer)
        deadline = Timestamp(microseconds: startedAt.microseconds + timeout.microseconds)
        lifetimeTimer = loop.schedule(at: startedAtBoot + UInt64(timeout.microseconds) * 1000) { [unowned self] in
            self.end(.timedOut, "its lifetime of \(timeout.inSeconds) s was over")
        }
    }

    /// Something happened: the idle time starts again, or stands still while an exec runs. The main
    /// command alone keeps nothing awake.
    func activity() {
        loop.cancel(idleTimer)
        idleTimer = nil
        guard let idle = assignment?.idleTimeout, fileAgents.isEmpty, holders == 0,
            !execs.values.contains(where: { $0.id != .main && !$0.isOver })
        else { return }
        idleTimer = loop.schedule(after: idle) { [unowned self] in
            self.end(.idleTimedOut, "nothing happened in it for \(idle.inSeconds) s")
        }
    }

    /// How long a connection of the service's that is lost goes on to hold: a killed service is soon back.
    private static let holdBeyondConnection = Duration.seconds(10)

    /// Something outside keeps the sandbox from being idle, until it lets go.
    func hold() {
        holders += 1
        activity()
    }

    func letGo() {
        holders -= 1
        activity()
    }

    /// Whoever held it is gone without a word.
    func letGoSoon() {
        loop.schedule(after: Self.holdBeyondConnection) { [unowned self] in self.letGo() }
    }

    func setDeadlines(_ change: SetDeadlines) throws(Failure) {
        guard case .running = phase else { throw Failure(.failedPrecondition, "the sandbox is ending") }
        if let timeout = change.timeout { setLifetime(timeout) }
        switch change.idleTimeout {
        case .keep: return
        case .remove: assignment?.idleTimeout = nil
        case .set(let idle): assignment?.idleTimeout = idle
        }
        activity()
    }
}
