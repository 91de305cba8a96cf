import Synchronization

/// A number of places, of which each is taken by one at a time.
package final class Places: Sendable {
    private let total: Int
    private let taken = Mutex(0)

    package init(_ total: Int) { self.total = total }

    /// How many are taken.
    package var count: Int { taken.withLock { $0 } }

    /// False, and none is taken, where there are fewer left than that.
    package func take(_ places: Int = 1) -> Bool {
        taken.withLock { taken in
            guard taken <= total - places else { return false }
            taken += places
            return true
        }
    }

    package func giveBack(_ places: Int = 1) { taken.withLock { $0 -= places } }
}
