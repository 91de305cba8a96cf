import SandboxModel

/// A transition that the state doesn't allow: a defect of the engine or of the machine's side.
package struct IllegalTransition: Error, Hashable, CustomStringConvertible {
    package var from: String
    package var to: String
    package var description: String { "no way from \(from) to \(to)" }
}

/// The states of one sandbox, and the only ways between them.
///
///     creating ──► running ──► ended
///        └──► abandoned
package enum SandboxLifecycle: Sendable, Hashable {
    /// On its way; not answered yet.
    case creating
    case running(Running)
    case ended(Ended)
    /// Its creation failed: nothing of it is left, and nothing can happen to it.
    case abandoned(ErrorCode)

    package struct Running: Sendable, Hashable {
        package var startedAt: Timestamp
        package var deadline: Timestamp
        /// Whether somebody asked for the end.
        package var terminateRequested = false
    }

    package struct Ended: Sendable, Hashable {
        package var startedAt: Timestamp?
        package var deadline: Timestamp?
        package var ending: Ending
    }

    package mutating func start(at startedAt: Timestamp, deadline: Timestamp) throws(IllegalTransition) {
        guard case .creating = self else { throw illegal("running") }
        self = .running(Running(startedAt: startedAt, deadline: deadline))
    }

    package mutating func abandon(because code: ErrorCode) throws(IllegalTransition) {
        guard case .creating = self else { throw illegal("abandoned") }
        self = .abandoned(code)
    }

    package mutating func setDeadline(_ deadline: Timestamp) throws(IllegalTransition) {
        guard case .running(var running) = self else { throw illegal("another deadline") }
        running.deadline = deadline
        self = .running(running)
    }

    /// Whether this is the first request.
    package mutating func requestTermination() throws(IllegalTransition) -> Bool {
        guard case .running(var running) = self else { throw illegal("terminating") }
        guard !running.terminateRequested else { return false }
        running.terminateRequested = true
        self = .running(running)
        return true
    }

    package mutating func end(with ending: Ending) throws(IllegalTransition) {
        guard case .running(let running) = self else { throw illegal("ended") }
        self = .ended(Ended(startedAt: running.startedAt, deadline: running.deadline, ending: ending))
    }

    /// Whether it runs and nobody asked for its end.
    package var isAccepting: Bool {
        if case .running(let running) = self { !running.terminateRequested } else { false }
    }

    /// Whether nothing more happens to it.
    package var isOver: Bool {
        switch self {
        case .creating, .running: false
        case .ended, .abandoned: true
        }
    }

    package var name: String {
        switch self {
        case .creating: "creating"
        case .running: "running"
        case .ended: "ended"
        case .abandoned: "abandoned"
        }
    }

    private func illegal(_ to: String) -> IllegalTransition { IllegalTransition(from: name, to: to) }
}
