import FrontConnections
import SandboxModel
import Synchronization

/// Bytes of a room for all, given back when nobody holds them any more.
package final class HeldBytes: Sendable {
    private let room: Places
    private let count = Mutex(0)

    /// Holds none yet.
    package init(in room: Places) { self.room = room }

    /// Others of the same room, none yet.
    package func beside() -> HeldBytes { HeldBytes(in: room) }

    /// Holds so many from now on, more or fewer than before. Throws `resourceExhausted`, and holds what it held, where
    /// there is no room for more.
    package func resize(to bytes: Int) throws(CordonError) {
        let isHeld = count.withLock { count in
            if bytes > count {
                guard room.take(bytes - count) else { return false }
            } else {
                room.giveBack(count - bytes)
            }
            count = bytes
            return true
        }
        guard isHeld else {
            throw CordonError(
                .resourceExhausted, "too much of files is in memory", detail: ["reason": "no_space"],
                retryAfter: .seconds(1))
        }
    }

    deinit { room.giveBack(count.withLock { $0 }) }
}
