import SandboxModel

extension Sandbox {
    /// How many events one call answers with.
    private static let page = 1000

    /// Events with a number above `number`; waits up to `limit` for the first, unless none can come.
    func events(after number: Int, waitingUpTo limit: Duration) async throws -> [SandboxEvent] {
        _ = try await wait(for: .events, upTo: limit) { lastEvent > number || lifecycle.isOver }
        if case .abandoned = lifecycle { throw CordonError.noSandbox(id) }
        guard lastEvent > number else { return [] }
        // Only what is on record is told: told events stay what they are, whatever is killed.
        await world.journal.settle()
        return try await world.records.events(of: id, after: max(number, 0), limit: Self.page)
    }
}
