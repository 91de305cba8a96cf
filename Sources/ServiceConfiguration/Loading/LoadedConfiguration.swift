import Foundation

/// The configuration that is in force, and where each value of it comes from.
public struct LoadedConfiguration: Sendable {
    public var values = ServiceConfiguration()
    /// The file that was read, if one was.
    public let file: String?
    private var origins: [String: Origin] = [:]

    /// Reads flags over variables over the file over defaults.
    ///
    /// - Parameters:
    ///   - arguments: The flags, `--config` excepted.
    ///   - file: The file that `--config` names; else that of `CORDON_CONFIG`, or the standard one if it exists.
    /// - Throws: `ConfigurationRefused`, with everything that is wrong anywhere: also with values that another
    ///   source overrides.
    public init(arguments: [String], file: String? = nil, environment: [String: String]) throws(ConfigurationRefused) {
        let standard = FileManager.default.fileExists(atPath: FileSource.standardPath) ? FileSource.standardPath : nil
        self.file = file ?? environment[EnvironmentSource.fileVariable] ?? standard
        var problems: [ConfigurationProblem] = []
        let readings = [
            self.file.map { FileSource.read($0) }, EnvironmentSource.read(environment), FlagSource.read(arguments),
        ]
        for reading in readings.compactMap({ $0 }) {
            problems += reading.problems
            for assignment in reading.assignments {
                if assignment.option.assign(&values, assignment.texts) {
                    origins[assignment.option.name] = assignment.origin
                } else {
                    problems.append(Self.impossible(assignment))
                }
            }
        }
        problems += contradictions
        guard problems.isEmpty else { throw ConfigurationRefused(problems) }
    }

    private static func impossible(_ assignment: Assignment) -> ConfigurationProblem {
        let value = assignment.texts.joined(separator: ",").prefix(200)
        return ConfigurationProblem(
            assignment.origin,
            "\(assignment.option.name) is \(assignment.option.isList ? "a list, each of it " : "")"
                + "\(assignment.option.rule), not \(value.isEmpty ? "empty" : String(value))")
    }

    /// Where an option's value comes from.
    public func origin(of name: String) -> Origin { origins[name] ?? .standard }

    /// What is wrong with an option's value, beyond what its range says.
    public func problem(with name: String, _ message: String) -> ConfigurationProblem {
        ConfigurationProblem(origin(of: name), "\(name) \(message)")
    }

    /// What no single option says: values that don't go together.
    private var contradictions: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        if values.execSpoolMiB > values.sandboxSpoolMiB {
            let name = origins["exec_spool_mib"] == nil ? "sandbox_spool_mib" : "exec_spool_mib"
            problems.append(
                problem(
                    with: name,
                    "doesn't go: exec_spool_mib (\(values.execSpoolMiB)) is more than "
                        + "sandbox_spool_mib (\(values.sandboxSpoolMiB))"))
        }
        if values.tls == .files {
            for (name, path) in [("tls_certificate", values.tlsCertificate), ("tls_key", values.tlsKey)]
            where path == nil {
                problems.append(problem(with: "tls", "is files: that takes \(name) as well"))
            }
        }
        if (values.tunnelCertificate == nil) != (values.tunnelKey == nil) {
            let name = values.tunnelKey == nil ? "tunnel_certificate" : "tunnel_key"
            problems.append(problem(with: name, "is one of two: it takes tunnel_certificate and tunnel_key"))
        }
        let uses: [(name: String, mode: TLSMode)] = [
            ("tls_certificate", .files), ("tls_key", .files), ("tls_names", .developmentCA),
        ]
        for (name, mode) in uses where values.tls != mode && origins[name] != nil {
            problems.append(problem(with: name, "is of no use: tls is \(values.tls.rawValue), not \(mode.rawValue)"))
        }
        return problems
    }
}
