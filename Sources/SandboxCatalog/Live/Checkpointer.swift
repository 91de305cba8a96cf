import GRDB
import Synchronization

/// Moves the write-ahead log into the database file on a connection of its own.
///
/// SQLite otherwise does so within every so-many-th commit, which then waits for the disk for
/// some milliseconds. A passive checkpoint holds up no writer
/// (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint); should this one never get through,
/// the writer still checkpoints by itself once the log has `backstopPages`.
final class Checkpointer: Sendable {
    /// About 80 MB of log.
    static let backstopPages = 20_000
    private static let commitsBetween = 200

    private struct State {
        var commits = 0
        var isRunning = false
    }

    private let connection: DatabaseQueue
    private let state = Mutex(State())

    /// Takes over the checkpoints of `pool`, which is in WAL mode.
    init(for pool: DatabasePool) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.label = "checkpoints"
        connection = try DatabaseQueue(path: pool.path, configuration: configuration)
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_autocheckpoint = \(Self.backstopPages)") }
    }

    /// Counts a commit; starts a checkpoint in the background when it is time for one.
    func noteCommit() {
        let isTime = state.withLock { state in
            state.commits += 1
            guard state.commits >= Self.commitsBetween, !state.isRunning else { return false }
            state = State(commits: 0, isRunning: true)
            return true
        }
        guard isTime else { return }
        connection.asyncWriteWithoutTransaction { database in
            // A failure leaves the log as it is; the next checkpoint takes it all.
            _ = try? database.checkpoint(.passive)
            self.state.withLock { $0.isRunning = false }
        }
    }
}
