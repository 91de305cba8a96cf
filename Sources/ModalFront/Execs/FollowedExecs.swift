import SandboxModel
import Synchronization

/// The execs whose output somebody reads at this moment, and how many do.
package final class FollowedExecs: Sendable {
    private struct Key: Hashable {
        var sandbox: SandboxID
        var exec: ExecID
    }

    private let readers = Mutex<[Key: Int]>([:])

    package init() {}

    package func begin(_ exec: ExecID, in sandbox: SandboxID) {
        readers.withLock { $0[Key(sandbox: sandbox, exec: exec), default: 0] += 1 }
    }

    package func end(_ exec: ExecID, in sandbox: SandboxID) {
        readers.withLock { readers in
            let key = Key(sandbox: sandbox, exec: exec)
            guard let count = readers[key] else { return }
            readers[key] = count > 1 ? count - 1 : nil
        }
    }

    /// Returns once nobody reads the exec's output any more, or after `limit`.
    package func untilRead(_ exec: ExecID, in sandbox: SandboxID, upTo limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        while readers.withLock({ $0[Key(sandbox: sandbox, exec: exec)] != nil }), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
