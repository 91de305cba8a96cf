/// Hears of what the engine does, as numbers: never an id, a name or content. Called on hot paths.
public protocol ServiceObserver: Sendable {
    /// A client asked for a sandbox; `refusal` is nil when it runs.
    func sandboxAsked(refusal: ErrorCode?, after duration: Duration)
    /// A client asked for an exec; `refusal` is nil when it runs, or is over already.
    func execAsked(refusal: ErrorCode?, after duration: Duration)
    /// Something happened to a sandbox; once for each.
    func happened(_ kind: SandboxEventKind, because reason: EndingReason?)
    func stdinAccepted(bytes: Int)
    func outputRead(bytes: Int)
}

/// An observer for those who want none.
public struct Unobserved: ServiceObserver {
    public init() {}
    public func sandboxAsked(refusal: ErrorCode?, after duration: Duration) {}
    public func execAsked(refusal: ErrorCode?, after duration: Duration) {}
    public func happened(_ kind: SandboxEventKind, because reason: EndingReason?) {}
    public func stdinAccepted(bytes: Int) {}
    public func outputRead(bytes: Int) {}
}

/// How many sandboxes there are in each state.
public struct SandboxPopulation: Sendable, Hashable {
    public var creating = 0
    public var running = 0
    public var ended = 0

    public init() {}
}
