import NIOCore
import Synchronization

/// How many connections there are, in all and of one owner: an address, or a sandbox, which can have two.
final class ConnectionAdmission<Owner: Hashable & Sendable>: Sendable {
    private struct Counts {
        var all = 0
        var of: [Owner: Int] = [:]
    }

    private let most: Int
    private let mostOfOne: Int
    private let counts = Mutex(Counts())

    init(most: Int, mostOfOne: Int) {
        self.most = most
        self.mostOfOne = mostOfOne
    }

    /// Counts a connection until it is closed; false when there are too many.
    func admit(_ owner: Owner, until closing: EventLoopFuture<Void>) -> Bool {
        let admitted = counts.withLock { counts in
            guard counts.all < most, counts.of[owner, default: 0] < mostOfOne else { return false }
            counts.all += 1
            counts.of[owner, default: 0] += 1
            return true
        }
        if admitted { closing.whenComplete { _ in self.leave(owner) } }
        return admitted
    }

    private func leave(_ owner: Owner) {
        counts.withLock { counts in
            counts.all -= 1
            let left = (counts.of[owner] ?? 1) - 1
            counts.of[owner] = left > 0 ? left : nil
        }
    }
}
