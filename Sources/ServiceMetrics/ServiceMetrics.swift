public import SandboxModel

/// Everything that the service counts and measures.
///
/// No label ever says an id, a name, an app or a token: each has a closed set of values, so that the
/// number of series is bounded whatever clients do.
public final class ServiceMetrics: ServiceObserver {
    private static let reasons = MetricLabel("reason", EndingReason.allCases.map(\.rawValue))
    private static let outcomes = MetricLabel("outcome", ["ok"] + ErrorCode.allCases.map(\.rawValue))
    private static let methods = MetricLabel("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
    private static let statuses = MetricLabel("status", ["1xx", "2xx", "3xx", "4xx", "5xx"])

    private let requests: CounterFamily
    private let requestDurations: HistogramFamily
    private let creates = CounterFamily(
        "cordon_sandbox_creates_total", "Sandboxes that were asked for, by what came of it.", [outcomes])
    private let createDurations = HistogramFamily(
        "cordon_sandbox_create_duration_seconds", "From asking for a sandbox until it runs; refusals excepted.")
    private let sandboxEndings = CounterFamily(
        "cordon_sandbox_endings_total", "Sandboxes that ended, by reason.", [reasons])
    private let execStarts = CounterFamily(
        "cordon_exec_starts_total", "Execs whose program ran, main commands included.")
    private let execStartDurations = HistogramFamily(
        "cordon_exec_start_duration_seconds", "From asking for an exec until its program runs; refusals excepted.")
    private let execEndings = CounterFamily("cordon_exec_endings_total", "Execs that ended, by reason.", [reasons])
    private let denials = CounterFamily(
        "cordon_network_denials_total", "Events that tell of what sandboxes' networks denied.")
    private let stdinBytes = CounterFamily("cordon_stdin_bytes_total", "Bytes of stdin that were accepted.")
    private let outputBytes = CounterFamily(
        "cordon_output_bytes_total", "Bytes of output read for clients; for an answer that waits for its exec, twice.")
    private let connectRequests = CounterFamily(
        "cordon_connect_requests_total", "Requests to the connect proxy, by class of status.", [statuses])
    private let connectBytes = CounterFamily(
        "cordon_connect_bytes_total", "Bytes of bodies and WebSockets through the connect proxy, by direction.",
        [MetricLabel("direction", ["in", "out"])])
    private let connectDurations = HistogramFamily(
        "cordon_connect_request_duration_seconds",
        "From a request's head to the end of its answer, or of its WebSocket.")
    private let commits = HistogramFamily(
        "cordon_database_commit_duration_seconds", "Waiting for and making one commit to the service's records.")
    private let process = ProcessReadings()
    private let version: String

    /// - Parameter routes: every pattern that a request can be for.
    public init(version: String, routes: [String]) {
        self.version = version
        let route = MetricLabel("route", routes)
        requests = CounterFamily(
            "cordon_http_requests_total", "Requests answered, by route, method and class of status.",
            [route, Self.methods, Self.statuses])
        requestDurations = HistogramFamily(
            "cordon_http_request_duration_seconds",
            "From a request's head to the end of its answer, waits and followed streams included.", [route])
    }

    // MARK: What happens

    public func sandboxAsked(refusal: ErrorCode?, after duration: Duration) {
        creates.add(1, refusal?.rawValue ?? "ok")
        if refusal == nil { createDurations.observe(duration) }
    }

    public func execAsked(refusal: ErrorCode?, after duration: Duration) {
        if refusal == nil { execStartDurations.observe(duration) }
    }

    public func happened(_ kind: SandboxEventKind, because reason: EndingReason?) {
        switch kind {
        case .execStarted: execStarts.add()
        case .execEnded: execEndings.add(1, reason?.rawValue ?? MetricLabel.other)
        case .ended: sandboxEndings.add(1, reason?.rawValue ?? MetricLabel.other)
        case .networkDenied: denials.add()
        default: break
        }
    }

    public func stdinAccepted(bytes: Int) { stdinBytes.add(UInt64(max(0, bytes))) }

    public func outputRead(bytes: Int) { outputBytes.add(UInt64(max(0, bytes))) }

    public func committed(after duration: Duration) { commits.observe(duration) }

    /// - Parameter route: the pattern that it was for; nil for none.
    public func answered(route: String?, method: String, status: Int, after duration: Duration) {
        requests.add(1, route ?? MetricLabel.other, method, "\(status / 100)xx")
        requestDurations.observe(duration, route ?? MetricLabel.other)
    }

    /// A request to the connect proxy is over; status 0 where its client left before.
    public func connected(status: Int, bytesIn: Int, bytesOut: Int, after duration: Duration) {
        connectRequests.add(1, status == 0 ? MetricLabel.other : "\(status / 100)xx")
        connectBytes.add(UInt64(max(0, bytesIn)), "in")
        connectBytes.add(UInt64(max(0, bytesOut)), "out")
        connectDurations.observe(duration)
    }

    // MARK: What is shown

    /// Everything, with what is read at this moment.
    public func exposition(_ readings: ServiceReadings) -> ExpositionText {
        var text = ExpositionText()
        text.begin("cordon_build_info", .gauge, "Which version runs.")
        text.sample("cordon_build_info", [("version", version)], 1)
        for counter in [
            requests, creates, sandboxEndings, execStarts, execEndings, denials, stdinBytes, outputBytes,
            connectRequests, connectBytes,
        ] {
            counter.write(to: &text)
        }
        for histogram in [requestDurations, createDurations, execStartDurations, connectDurations, commits] {
            histogram.write(to: &text)
        }
        readings.write(to: &text)
        process.write(to: &text)
        return text
    }
}
