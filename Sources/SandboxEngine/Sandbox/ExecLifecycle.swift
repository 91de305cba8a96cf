import SandboxModel

/// The states of one exec, and the only ways between them: starting, running, ended; one that
/// never runs goes from starting to ended.
package enum ExecLifecycle {
    /// The exec as it runs since `startedAt`.
    package static func start(_ exec: ExecSnapshot, at startedAt: Timestamp) throws(IllegalTransition) -> ExecSnapshot {
        guard case .starting = exec.status else { throw IllegalTransition(from: exec.status.name, to: "running") }
        var exec = exec
        exec.status = .running
        exec.startedAt = startedAt
        return exec
    }

    /// The exec as it is over.
    package static func end(_ exec: ExecSnapshot, with ending: Ending) throws(IllegalTransition) -> ExecSnapshot {
        if case .ended = exec.status { throw IllegalTransition(from: exec.status.name, to: "ended") }
        var exec = exec
        exec.status = .ended(ending)
        return exec
    }
}
