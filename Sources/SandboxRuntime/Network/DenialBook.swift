import SandboxModel
import Synchronization

/// What sandboxes were denied, told at a pace that their events can take.
final class DenialBook: Sendable {
    /// How many are told at once, and how long it takes until one more is.
    private static let burst = 10
    private static let pace = Duration.seconds(2)
    /// Sandboxes that are kept apart: beyond, all are forgotten, and begin anew.
    private static let mostSandboxes = 8192

    private struct Account {
        var allowance = Double(DenialBook.burst)
        var at = ContinuousClock.now
        /// How many were not told.
        var kept = 0
    }

    private let accounts = Mutex<[SandboxID: Account]>([:])
    private let tell: @Sendable (SandboxID, NetworkDenial, Int) -> Void

    init(tell: @escaping @Sendable (SandboxID, NetworkDenial, Int) -> Void) { self.tell = tell }

    func note(_ denial: NetworkDenial, of id: SandboxID) {
        let times = accounts.withLock { accounts -> Int? in
            if accounts.count >= Self.mostSandboxes, accounts[id] == nil { accounts.removeAll() }
            var account = accounts[id] ?? Account()
            defer { accounts[id] = account }
            let now = ContinuousClock.now
            let earned = (now - account.at) / Self.pace
            account.allowance = min(Double(Self.burst), account.allowance + earned)
            account.at = now
            account.kept += 1
            guard account.allowance >= 1 else { return nil }
            account.allowance -= 1
            defer { account.kept = 0 }
            return account.kept
        }
        if let times { tell(id, denial, times) }
    }

    func forget(_ id: SandboxID) { accounts.withLock { $0[id] = nil } }
}
