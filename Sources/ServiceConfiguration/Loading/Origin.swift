/// Where a value comes from.
public enum Origin: Sendable, Hashable, CustomStringConvertible {
    case standard
    case file(String, line: Int?)
    case variable(String)
    case flag(String)

    public var description: String {
        switch self {
        case .standard: "default"
        case .file(let path, let line): line.map { "\(path):\($0)" } ?? path
        case .variable(let name): name
        case .flag(let name): name
        }
    }
}

/// One thing that is wrong with the configuration.
public struct ConfigurationProblem: Error, Sendable, Hashable, CustomStringConvertible {
    public let origin: Origin
    public let message: String

    public init(_ origin: Origin, _ message: String) {
        self.origin = origin
        self.message = message
    }

    public var description: String { "\(origin): \(message)" }

    /// A name that is nobody's, with the one that was perhaps meant.
    static func unknown(_ name: String, called kind: String, among names: some Sequence<String>, at origin: Origin)
        -> ConfigurationProblem
    {
        let shown = String(name.prefix(100))
        guard let near = names.min(by: { distance(name, $0) < distance(name, $1) }), distance(name, near) <= 3 else {
            return ConfigurationProblem(origin, "there is no \(kind) \(shown)")
        }
        return ConfigurationProblem(origin, "there is no \(kind) \(shown); there is \(near)")
    }

    /// How many bytes have to be put in, taken out or changed to make one text the other (Levenshtein).
    private static func distance(_ one: String, _ other: String) -> Int {
        let (one, other) = (Array(one.utf8.prefix(100)), Array(other.utf8))
        var row = Array(0...other.count)
        for (index, byte) in one.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for place in other.indices {
                let changed = diagonal + (byte == other[place] ? 0 : 1)
                diagonal = row[place + 1]
                row[place + 1] = min(changed, diagonal + 1, row[place] + 1)
            }
        }
        return row[other.count]
    }
}

/// Everything that is wrong with the configuration, at once.
public struct ConfigurationRefused: Error, Sendable, CustomStringConvertible {
    public let problems: [ConfigurationProblem]

    public init(_ problems: [ConfigurationProblem]) { self.problems = problems }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
