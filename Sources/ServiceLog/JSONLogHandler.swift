public import Logging

/// Writes each message as one line: a JSON object with `time`, `level`, `message`, `logger` and the metadata.
///
/// Metadata stands beside the others, under its own names; a name that one of them has gets `_` before it.
/// Texts are cut at 8 KiB, so that no line is without bound.
public struct JSONLogHandler: LogHandler {
    private static let reserved: Set<String> = ["time", "level", "message", "logger", "error"]
    private static let longestText = 8192

    public var logLevel = Logger.Level.info
    public var metadata = Logger.Metadata()
    public var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let now: @Sendable () -> LogTime
    private let write: @Sendable (String) -> Void

    /// - Parameter write: takes whole lines, their ends included; from any thread.
    public init(
        label: String, metadataProvider: Logger.MetadataProvider?,
        now: @escaping @Sendable () -> LogTime = { LogTime.now }, write: @escaping @Sendable (String) -> Void
    ) {
        self.label = label
        self.metadataProvider = metadataProvider
        self.now = now
        self.write = write
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var fields: [(String, String)] = [
            ("time", Self.quoted(now().rfc3339)), ("level", Self.quoted(event.level.rawValue)),
            ("message", Self.quoted(event.message.description)), ("logger", Self.quoted(label)),
        ]
        if let error = event.error { fields.append(("error", Self.quoted("\(error)"))) }
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            fields.append((Self.reserved.contains(key) ? "_" + key : key, Self.rendered(value)))
        }
        write("{" + fields.map { "\(Self.quoted($0)):\($1)" }.joined(separator: ",") + "}\n")
    }

    private static func rendered(_ value: Logger.Metadata.Value) -> String {
        switch value {
        case .string(let text): quoted(text)
        case .stringConvertible(let value):
            switch value {
            case let number as Int: String(number)
            case let flag as Bool: String(flag)
            case let number as Double where number.isFinite: String(number)
            default: quoted(value.description)
            }
        case .array(let values): "[" + values.map(rendered).joined(separator: ",") + "]"
        case .dictionary(let pairs):
            "{"
                + pairs.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(rendered($0.value))" }
                .joined(separator: ",") + "}"
        }
    }

    /// RFC 8259, 7.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars.prefix(longestText) {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            // The separators end lines for some readers.
            case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
