package import SandboxModel
import Synchronization

/// Layers that work under way needs, though no image on record does; and layers that are on their way out.
public final class PinBoard: Sendable {
    private struct State {
        var counts: [LayerName: Int] = [:]
        var condemned: Set<LayerName> = []
    }

    private let state = Mutex(State())

    public init() {}

    /// Keeps layers, which may be still to come, until the pins are released. Waits while one is being removed.
    package func pin(_ names: some Sequence<LayerName>) async throws -> Pins {
        let names = Array(names)
        while true {
            let isPinned = state.withLock { state in
                guard state.condemned.isDisjoint(with: names) else { return false }
                for name in names { state.counts[name, default: 0] += 1 }
                return true
            }
            if isPinned { return Pins(board: self, names: names) }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Those of `names` that nobody has pinned; nobody can until `absolve`.
    package func condemn(_ names: [LayerName]) -> [LayerName] {
        state.withLock { state in
            let free = names.filter { state.counts[$0] == nil }
            state.condemned.formUnion(free)
            return free
        }
    }

    /// Layers that were condemned are removed by now, or stay.
    package func absolve(_ names: [LayerName]) { state.withLock { $0.condemned.subtract(names) } }

    fileprivate func release(_ names: [LayerName]) {
        state.withLock { state in
            for name in names {
                let left = (state.counts[name] ?? 1) - 1
                state.counts[name] = left > 0 ? left : nil
            }
        }
    }
}

/// Layers that are kept for as long as this lives.
package final class Pins: Sendable {
    private let board: PinBoard
    private let names: [LayerName]

    fileprivate init(board: PinBoard, names: [LayerName]) { (self.board, self.names) = (board, names) }

    deinit { board.release(names) }
}
