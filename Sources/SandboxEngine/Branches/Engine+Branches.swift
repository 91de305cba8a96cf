import Logging
import SandboxModel

extension Engine {
    public func branch(
        _ id: SandboxID, _ order: BranchOrder, by caller: Caller, key: IdempotencyKey?, report: @escaping BranchReporter
    ) async throws -> BranchOutcome {
        _ = try find(id)
        let claim = try branches.claim(key, by: caller) { [self] work in
            let branching = Branching(engine: self, parent: id, order: order, caller: caller, key: key, work: work)
            return try await world.boundary.during("running branches") { try await branching.run() }
        }
        for await event in claim.work.events() { await report(event) }
        guard !Task.isCancelled else {
            // A request with a key may come again; without one nobody can ask for it any more.
            branches.leave(claim) { [world] in
                if key != nil { try? await world.clock.sleep(for: Self.runGrace) }
            }
            throw CordonError(.cancelled, "the caller went away while branches ran")
        }
        defer { branches.release(claim) }
        return try await claim.work.outcome()
    }
}
