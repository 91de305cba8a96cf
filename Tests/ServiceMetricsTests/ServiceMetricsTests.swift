import Glibc
import LinuxSystem
import SandboxModel
import ServiceMetrics
import Testing

/// What is counted, and how it is shown.
struct ServiceMetricsTests {
    private let metrics = ServiceMetrics(version: "1.2\"\\\n3", routes: ["/v1/sandboxes", "/healthz"])

    private func lines(_ readings: ServiceReadings = ServiceReadings()) -> [String] {
        metrics.exposition(readings).text.split(separator: "\n").map(String.init)
    }

    @Test("what happens is counted under what it came to")
    func counts() {
        metrics.sandboxAsked(refusal: nil, after: .milliseconds(3))
        metrics.sandboxAsked(refusal: .resourceExhausted, after: .seconds(3))
        metrics.happened(.execStarted, because: nil)
        metrics.happened(.execEnded, because: .timedOut)
        metrics.happened(.ended, because: .terminated)
        metrics.stdinAccepted(bytes: 7)
        metrics.outputRead(bytes: 9)
        let lines = lines()
        for expected in [
            #"cordon_sandbox_creates_total{outcome="ok"} 1"#,
            #"cordon_sandbox_creates_total{outcome="resource_exhausted"} 1"#,
            #"cordon_sandbox_creates_total{outcome="internal"} 0"#,
            #"cordon_sandbox_create_duration_seconds_bucket{le="0.0025"} 0"#,
            #"cordon_sandbox_create_duration_seconds_bucket{le="0.005"} 1"#,
            #"cordon_sandbox_create_duration_seconds_bucket{le="+Inf"} 1"#,
            #"cordon_sandbox_create_duration_seconds_sum 0.003"#, #"cordon_sandbox_create_duration_seconds_count 1"#,
            #"cordon_exec_starts_total 1"#, #"cordon_exec_endings_total{reason="timed_out"} 1"#,
            #"cordon_sandbox_endings_total{reason="terminated"} 1"#, #"cordon_stdin_bytes_total 7"#,
            #"cordon_output_bytes_total 9"#,
        ] {
            #expect(lines.contains(expected), "\(expected)")
        }
    }

    @Test("whatever clients ask for, the number of series stays what it is")
    func bounded() {
        metrics.answered(route: "/v1/sandboxes", method: "GET", status: 200, after: .zero)
        metrics.answered(route: nil, method: "BREW", status: 418, after: .zero)
        let before = lines().count
        for number in 0..<1000 {
            metrics.answered(route: "/made/up/\(number)", method: "M\(number)", status: 418, after: .zero)
        }
        #expect(lines().count == before)
        #expect(
            lines().contains(#"cordon_http_requests_total{route="other",method="other",status="4xx"} 1001"#))
    }

    @Test("values of labels are escaped")
    func escaping() {
        #expect(lines().contains(#"cordon_build_info{version="1.2\"\\\n3"} 1"#))
    }

    @Test("what is read at the moment is shown, and the pool only when it is known")
    func readings() {
        var readings = ServiceReadings()
        readings.sandboxes.running = 4
        readings.waits = 2
        #expect(!lines(readings).contains { $0.contains("cordon_pool") })
        readings.pool = .init(wanted: 8, prepared: 7, hits: 5, misses: 1)
        let lines = lines(readings)
        #expect(lines.contains(#"cordon_sandboxes{state="running"} 4"#))
        #expect(lines.contains("cordon_http_waits 2"))
        #expect(lines.contains(#"cordon_pool_launches_total{found="prepared"} 5"#))
        #expect(lines.contains { $0.hasPrefix("process_resident_memory_bytes ") })
        #expect(lines.contains { $0.hasPrefix("process_open_fds ") })
    }

    /// The kernel hands out about 1,365 such entries at a time.
    @Test("thousands of descriptors are counted, in as many portions as they take")
    func descriptors() throws {
        let held = try (0..<2_000).map { _ in
            SharedDescriptor(Descriptor(owning: try check(open("/dev/null", O_RDONLY | O_CLOEXEC), "open")))
        }
        let line = try #require(lines().first { $0.hasPrefix("process_open_fds ") })
        // Other tests of this process hold some too.
        #expect(try #require(line.split(separator: " ").last.flatMap { Int($0) }) > held.count)
    }
}
