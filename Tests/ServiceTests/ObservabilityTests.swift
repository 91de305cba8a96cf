import ServiceSupport
import Testing

/// The checks are in `Programs/observability.py`.
@Suite("What the service tells of itself", .serialized, .timeLimit(.minutes(5)))
struct ObservabilityTests {
    @Test("metrics are in Prometheus' format, count what happened, and say nothing of whose it was")
    func metrics() async throws { try await check("observability", "metrics") }

    @Test("metrics can be read without a token where the service is told so")
    func publicMetrics() async throws {
        try await check("observability", "public_metrics", service: ["--metrics-auth", "none"])
    }

    @Test("whatever is logged, nothing of it is a secret, a variable's value, an argument or a byte of stdin")
    func privateLog() async throws {
        try await check("observability", "private_log", service: ["--log-level", "trace"])
    }

    @Test("a log of JSON has an object on each line, and requests under their ids")
    func jsonLog() async throws {
        try await check("observability", "json_log", service: ["--log-format", "json", "--access-log"])
    }
}
