import Glibc
import Logging
import RESTFront
import SandboxEngine
import SandboxModel
import SandboxNetwork
import SandboxRuntime
import SandboxTunnels
import ServiceConfiguration
import ServiceLog
import ServiceMetrics

/// What the service tells of itself: its log and its metrics.
struct Observation: Sendable {
    let logger: Logger
    let metrics: ServiceMetrics
    let requests: RequestRecorder
    var connects: ConnectRecorder { ConnectRecorder(requests: requests) }
    var calls: CallRecorder { CallRecorder(logger: logger, level: requests.level) }

    /// The contract's.
    static let version = "0.1.0"

    /// Sets the process's logging up; once.
    init(_ configuration: ServiceConfiguration) {
        let format = configuration.logFormat
        let tracing = Logger.MetadataProvider { RequestTrace.id.map { ["request_id": "\($0)"] } ?? [:] }
        LoggingSystem.bootstrap(
            { label, provider in
                switch format {
                case .text: StreamLogHandler.standardError(label: label, metadataProvider: provider)
                case .json: JSONLogHandler(label: label, metadataProvider: provider, write: Self.writeLine)
                }
            }, metadataProvider: tracing)
        var logger = Logger(label: "cordond")
        logger.logLevel = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        self.logger = logger
        metrics = ServiceMetrics(version: Self.version, routes: RESTFront.routePatterns)
        requests = RequestRecorder(metrics: metrics, logger: logger, level: configuration.logsAccess ? .info : .debug)
    }

    /// In one call, so that lines of several threads don't mix.
    private static func writeLine(_ line: String) {
        var line = line
        line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }

    /// Everything that is measured, as `/metrics` answers it.
    func exposition(
        of engine: Engine, on host: LocalHost, names: NameService?, front: FrontLoad, tunnels: TunnelTraffic
    ) async -> String {
        var readings = ServiceReadings()
        readings.sandboxes = engine.population
        readings.connections = front.connections
        readings.waits = front.waits
        readings.names = names.map { NameReadings($0.readings) }
        readings.tunnels = .init(
            connections: tunnels.connections, accepted: tunnels.accepted, refused: tunnels.refused,
            bytesInward: tunnels.bytesInward, bytesOutward: tunnels.bytesOutward)
        if let pool = await host.poolCounts() {
            readings.held = pool.held
            readings.pool = .init(wanted: pool.wanted, prepared: pool.prepared, hits: pool.hits, misses: pool.misses)
        }
        return metrics.exposition(readings).text
    }
}

/// Counts every request, and writes the access log.
struct RequestRecorder: RequestObserver {
    let metrics: ServiceMetrics
    let logger: Logger
    let level: Logger.Level

    func answered(_ request: AnsweredRequest) {
        metrics.answered(
            route: request.route, method: request.method, status: request.status, after: request.duration)
        logger.log(
            level: level, "request",
            metadata: [
                "request_id": "\(request.requestID)", "method": "\(request.method.prefix(16))",
                "route": "\(request.route ?? "none")", "status": .stringConvertible(request.status),
                "whole": .stringConvertible(request.isWhole), "bytes": .stringConvertible(request.bytes),
                "milliseconds": .stringConvertible(Double(request.duration / .microseconds(1)).rounded() / 1000),
                "token_id": "\(request.tokenID ?? "none")",
            ])
    }
}

extension NameReadings {
    fileprivate init(_ readings: NameService.Readings) {
        self.init()
        queries = [
            ("cached", readings.answeredFromCache), ("refused", readings.refusedQueries),
            ("malformed", readings.malformedQueries), ("excess", readings.excessQueries),
            ("upstream_failed", readings.upstreamFailures),
        ]
        allQueries = readings.queries
        connections = readings.openConnections
        passedOn = readings.proxiedConnections
        denied = readings.deniedConnections
    }
}
