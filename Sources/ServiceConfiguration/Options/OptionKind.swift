import SandboxModel

/// How the text of an option becomes a value, and which values there are.
struct OptionKind<Value: Sendable>: Sendable {
    /// What a value has to be, as the end of "… is not".
    let rule: String
    /// Whether it takes any number of values.
    var isList = false
    /// Whether its flag may stand alone.
    var isSwitch = false
    /// nil for texts that are no value; exactly one text is given unless it is a list.
    let parse: @Sendable ([String]) -> Value?
    let show: @Sendable (Value) -> OptionValue
}

/// An option's value as it is shown.
public enum OptionValue: Sendable, Hashable {
    case none
    case text(String)
    case integer(Int)
    case number(Double)
    case flag(Bool)
    case list([String])
}

extension OptionKind {
    private init(
        _ rule: String, parse: @escaping @Sendable (String) -> Value?, show: @escaping @Sendable (Value) -> OptionValue
    ) {
        self.init(rule: rule, parse: { $0.first.flatMap(parse) }, show: show)
    }

    /// The same, where there may be no value.
    static func optional<Wrapped>(_ kind: OptionKind<Wrapped>) -> OptionKind where Value == Wrapped? {
        OptionKind(rule: kind.rule, parse: { kind.parse($0) }, show: { $0.map(kind.show) ?? .none })
    }
}

extension OptionKind where Value == String {
    static let absolutePath = OptionKind(
        "an absolute path", parse: { $0.hasPrefix("/") && !$0.contains("\0") ? $0 : nil }, show: { .text($0) })

    static let account = OptionKind(
        "the name of an account", parse: { (1...64).contains($0.utf8.count) ? $0 : nil }, show: { .text($0) })
}

extension OptionKind where Value == String {
    /// RFC 6454, 6.2: what browsers send, which spell hosts in lower case.
    static let origin = OptionKind(
        "http:// or https://, a host in lower case and perhaps a port", parse: { parseOrigin($0) }, show: { .text($0) })

    private static func parseOrigin(_ text: String) -> String? {
        guard let scheme = ["https://", "http://"].first(where: { text.hasPrefix($0) }) else { return nil }
        var host = text.dropFirst(scheme.count)
        if let port = host.lastIndex(of: ":"), !host.hasSuffix("]") {
            guard UInt16(host[host.index(after: port)...]) != nil else { return nil }
            host = host[..<port]
        }
        let isHost = host.utf8.allSatisfy { (0x21...0x7e).contains($0) && !"/?#@*".utf8.contains($0) }
        return !host.isEmpty && isHost && host == host.lowercased() ? text : nil
    }

    static let ipAddress = OptionKind(
        "an IPv4 or IPv6 address", parse: { IPAddress($0)?.description }, show: { .text($0) })

    static let hostName = OptionKind(
        "a DNS name or an IP address",
        parse: { text in
            (1...253).contains(text.utf8.count)
                && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-*:".contains($0)) } ? text : nil
        }, show: { .text($0) })
}

extension OptionKind where Value == String {
    static let registryHost = OptionKind(
        "a host in lower case, perhaps with a port", parse: { isRegistry($0[...]) ? $0 : nil }, show: { .text($0) })

    static let imageReference = OptionKind(
        "the name of an image", parse: { (try? ImageReference($0)) == nil ? nil : $0 }, show: { .text($0) })

    static let registryPair = OptionKind(
        "REGISTRY=HOST, both in lower case, perhaps with a port",
        parse: { text in
            let halves = text.split(separator: "=", omittingEmptySubsequences: false)
            return halves.count == 2 && halves.allSatisfy { isRegistry($0) } ? text : nil
        }, show: { .text($0) })

    private static func isRegistry(_ text: Substring) -> Bool {
        (try? ImageReference("\(text)/name"))?.registry == String(text)
            && (text.contains(".") || text.contains(":") || text == "localhost")
    }
}

extension OptionKind {
    /// Up to 64 values of that kind.
    static func list(of kind: OptionKind<String>) -> OptionKind where Value == [String] {
        OptionKind(
            rule: kind.rule, isList: true,
            parse: { texts in
                let values = texts.compactMap { kind.parse([$0]) }
                return values.count == texts.count && texts.count <= 64 ? values : nil
            }, show: { .list($0) })
    }
}

extension OptionKind where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> OptionKind {
        OptionKind(
            "an integer from \(range.lowerBound) to \(range.upperBound)",
            parse: { text in Int(text).flatMap { range.contains($0) ? $0 : nil } }, show: { .integer($0) })
    }
}

extension OptionKind where Value == Double {
    static func seconds(_ range: ClosedRange<Double>) -> OptionKind {
        OptionKind(
            "a number of seconds from \(OptionValue.number(range.lowerBound)) to \(OptionValue.number(range.upperBound))",
            parse: { text in Double(text).flatMap { range.contains($0) ? $0 : nil } }, show: { .number($0) })
    }
}

extension OptionKind where Value == Bool {
    static let flag = OptionKind(
        rule: "true or false", isSwitch: true, parse: { $0.first.flatMap(Bool.init) }, show: { .flag($0) })
}

extension OptionKind where Value == PortRange {
    static let ports = OptionKind(
        "two ports from 1024 to 65535 with a dash between them, the lower first", parse: { PortRange($0) },
        show: { .text($0.description) })
}

extension OptionKind where Value == ListenAddress {
    static let address = OptionKind(
        "HOST:PORT, with port 0 or a port from 1024 to 65535", parse: { ListenAddress($0) },
        show: { .text($0.description) })
}

extension OptionKind where Value == ConnectAddress {
    static let connectAddress = OptionKind(
        "http:// or https://, a host in lower case or *. and one, and perhaps a port",
        parse: { ConnectAddress($0) }, show: { .text($0.description) })
}

extension OptionKind where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    static var choice: OptionKind {
        OptionKind(
            "one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))", parse: { Value(rawValue: $0) },
            show: { .text($0.rawValue) })
    }
}

extension OptionValue: CustomStringConvertible, Encodable {
    public var description: String {
        switch self {
        case .none: ""
        case .text(let text): text
        case .integer(let number): String(number)
        case .number(let number): number == number.rounded() ? String(Int(number)) : String(number)
        case .flag(let isSet): String(isSet)
        case .list(let texts): texts.joined(separator: ",")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .none: try container.encodeNil()
        case .text(let text): try container.encode(text)
        case .integer(let number): try container.encode(number)
        case .number(let number): try container.encode(number)
        case .flag(let isSet): try container.encode(isSet)
        case .list(let texts): try container.encode(texts)
        }
    }
}
