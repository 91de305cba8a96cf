import SandboxModel

/// A readiness probe as JSON on disk, under the same promise as `SandboxSpecRow`.
struct ProbeRow: Codable {
    var port: UInt16?
    var argv: [String]?
    var intervalMicroseconds: Int64
    var timeoutMicroseconds: Int64

    enum CodingKeys: String, CodingKey {
        case port, argv
        case intervalMicroseconds = "interval_microseconds"
        case timeoutMicroseconds = "timeout_microseconds"
    }

    init(_ probe: ReadinessProbe) {
        switch probe.check {
        case .tcp(let port): self.port = port
        case .exec(let command): argv = command.argv
        }
        intervalMicroseconds = probe.interval.microseconds
        timeoutMicroseconds = probe.timeout.microseconds
    }

    func probe() throws -> ReadinessProbe {
        let check: ReadinessProbe.Check
        if let port {
            check = .tcp(port: port)
        } else if let argv {
            check = .exec(try CommandSpec(argv: argv))
        } else {
            throw RowShape.missing("probe.port")
        }
        return try ReadinessProbe(
            check, interval: .microseconds(intervalMicroseconds), timeout: .microseconds(timeoutMicroseconds))
    }
}
