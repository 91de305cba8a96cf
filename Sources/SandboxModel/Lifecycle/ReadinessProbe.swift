/// How it is found out that a sandbox is ready for work.
public struct ReadinessProbe: Sendable, Hashable {
    public static let shortestInterval: Duration = .milliseconds(20)
    public static let longestInterval: Duration = .seconds(3600)
    public static let longestTimeout: Duration = .seconds(300)

    /// What is tried.
    public enum Check: Sendable, Hashable {
        /// Somebody accepts connections to a port inside.
        case tcp(port: UInt16)
        /// A command ends with status 0.
        case exec(CommandSpec)
    }

    public let check: Check
    /// From the end of one try to the beginning of the next.
    public let interval: Duration
    /// How long one try may take.
    public let timeout: Duration

    /// Throws `invalidArgument` for `readiness_probe.interval_seconds` or `readiness_probe.timeout_seconds`.
    public init(_ check: Check, interval: Duration, timeout: Duration) throws(CordonError) {
        guard interval >= Self.shortestInterval, interval <= Self.longestInterval else {
            throw .invalid(
                field: "readiness_probe.interval_seconds", value: "\(interval.inSeconds)",
                rule: "\(Self.shortestInterval.inSeconds)–\(Self.longestInterval.inSeconds) seconds")
        }
        guard timeout >= .milliseconds(1), timeout <= Self.longestTimeout else {
            throw .invalid(
                field: "readiness_probe.timeout_seconds", value: "\(timeout.inSeconds)",
                rule: "at most \(Self.longestTimeout.inSeconds) seconds")
        }
        self.check = check
        self.interval = interval
        self.timeout = timeout
    }
}
