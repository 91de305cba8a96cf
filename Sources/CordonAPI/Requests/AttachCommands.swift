/// A text message of a client on an attached connection.
public enum AttachCommand: Sendable, Hashable, Encodable {
    /// The end of stdin, behind the byte before `offset`.
    case eof(offset: UInt64)
    case resize(rows: Int, cols: Int)
    /// A number, or a name such as `TERM` or `SIGTERM`.
    case signal(String)

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case type, offset, rows, cols, signal
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .eof(let offset):
            try container.encode("eof", forKey: .type)
            try container.encode(offset, forKey: .offset)
        case .resize(let rows, let cols):
            try container.encode("resize", forKey: .type)
            try container.encode(rows, forKey: .rows)
            try container.encode(cols, forKey: .cols)
        case .signal(let signal):
            try container.encode("signal", forKey: .type)
            try container.encode(signal, forKey: .signal)
        }
    }
}
