import SandboxModel
import Synchronization

/// Lets one request per idempotency key through at a time: a repeat that comes while the first is
/// under way waits for it, and then finds its outcome on record.
final class KeyGate: Sendable {
    struct Scope: Hashable, Sendable {
        var token: String
        var route: String
        var key: String

        init(_ key: IdempotencyKey, _ caller: Caller) {
            token = caller.tokenID
            route = key.route
            self.key = key.key
        }
    }

    private let waiters: WaiterBudget
    /// Who waits behind whoever is inside.
    private let inside = Mutex<[Scope: [CheckedContinuation<Void, Never>]]>([:])

    init(waiters: WaiterBudget) { self.waiters = waiters }

    /// Runs `work` when nobody else with the same key does. Not cancelled while waiting.
    func pass<Value: Sendable>(_ scope: Scope, _ work: () async throws -> sending Value) async throws -> Value {
        try waiters.take()
        await withCheckedContinuation { turn in
            let isFree = inside.withLock { inside in
                guard inside[scope] != nil else {
                    inside[scope] = []
                    return true
                }
                inside[scope]?.append(turn)
                return false
            }
            if isFree { turn.resume() }
        }
        waiters.giveBack()
        defer { leave(scope) }
        return try await work()
    }

    private func leave(_ scope: Scope) {
        let next = inside.withLock { inside -> CheckedContinuation<Void, Never>? in
            guard inside[scope]?.isEmpty == false else {
                inside.removeValue(forKey: scope)
                return nil
            }
            return inside[scope]?.removeFirst()
        }
        next?.resume()
    }
}
