public import SandboxModel

/// An RFC 9457 problem document, which every failed request is answered with.
public struct Problem: Sendable, Hashable, Codable {
    /// `urn:cordon:error:` and the code.
    public var type: String
    /// The HTTP status in words.
    public var title: String
    public var status: Int
    /// A sentence for people: the thing, the value, the way out.
    public var detail: String
    /// One of `ErrorCode`'s raw values.
    public var code: String
    /// The request's field that was wrong: `tags.env`, `argv[3]`.
    public var field: String?
    /// The offending value, cut to 128 characters; never a variable's value or a secret.
    public var value: String?
    /// The rule that the value breaks.
    public var rule: String?
    public var requestID: String
    /// stdin: one past the last byte accepted.
    public var accepted: UInt64?
    /// Streams: one past the last byte that is there.
    public var end: UInt64?
    /// Everything else that the engine adds.
    public var extra: [String: String] = [:]

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case type, title, status, detail, code, field, value, rule
        case requestID = "request_id"
        case accepted, end
    }

    public init(
        error: CordonError, status: Int, title: String, requestID: String
    ) {
        self.type = "urn:cordon:error:\(error.code.rawValue)"
        self.title = title
        self.status = status
        self.detail = error.message
        self.code = error.code.rawValue
        self.field = error.field
        self.value = error.value
        self.rule = error.rule
        self.requestID = requestID
        var extra = error.detail
        self.accepted = extra.removeValue(forKey: "accepted").flatMap { UInt64($0) }
        self.end = extra.removeValue(forKey: "end").flatMap { UInt64($0) }
        self.extra = extra.filter { CodingKeys(rawValue: $0.key) == nil }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        type = try container.decode(String.self, forKey: .type)
        title = try container.decode(String.self, forKey: .title)
        status = try container.decode(Int.self, forKey: .status)
        detail = try container.decode(String.self, forKey: .detail)
        code = try container.decode(String.self, forKey: .code)
        field = try container.decodeIfPresent(String.self, forKey: .field)
        value = try container.decodeIfPresent(String.self, forKey: .value)
        rule = try container.decodeIfPresent(String.self, forKey: .rule)
        requestID = try container.decode(String.self, forKey: .requestID)
        accepted = try container.decodeIfPresent(UInt64.self, forKey: .accepted)
        end = try container.decodeIfPresent(UInt64.self, forKey: .end)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(type, forKey: .type)
        try container.encode(title, forKey: .title)
        try container.encode(status, forKey: .status)
        try container.encode(detail, forKey: .detail)
        try container.encode(code, forKey: .code)
        try container.encodeIfPresent(field, forKey: .field)
        try container.encodeIfPresent(value, forKey: .value)
        try container.encodeIfPresent(rule, forKey: .rule)
        try container.encode(requestID, forKey: .requestID)
        try container.encodeIfPresent(accepted, forKey: .accepted)
        try container.encodeIfPresent(end, forKey: .end)
        var others = encoder.container(keyedBy: ExtraKey.self)
        for (name, text) in extra {
            if let number = UInt64(text) {
                try others.encode(number, forKey: ExtraKey(name))
            } else {
                try others.encode(text, forKey: ExtraKey(name))
            }
        }
    }

    private struct ExtraKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ text: String) { stringValue = text }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
