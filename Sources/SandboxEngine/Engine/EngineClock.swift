import SandboxModel

/// The time as the engine sees it, so that tests need not sleep.
public protocol EngineClock: Sendable {
    /// The wall clock's time.
    func now() -> Timestamp
    /// Time that only goes forward, from an arbitrary start.
    func uptime() -> Duration
    /// Returns after `duration`; throws `CancellationError` when the task is cancelled before.
    func sleep(for duration: Duration) async throws
}

/// The machine's clocks.
public struct SystemClock: EngineClock {
    private let start = ContinuousClock.now

    public init() {}
    public func now() -> Timestamp { .now() }
    public func uptime() -> Duration { ContinuousClock.now - start }
    public func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
