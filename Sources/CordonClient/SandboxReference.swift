/// How people name a sandbox: by its id, by the name of a running one, or by app and name.
public enum SandboxReference: Sendable, Hashable, CustomStringConvertible {
    case id(String)
    case name(String, app: String)

    /// `sb-…`, `name` (of the app `default`) or `app/name`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        switch parts.count {
        case 1 where text.hasPrefix("sb-") && text.utf8.count == 29: self = .id(text)
        case 1: self = .name(text, app: "default")
        case 2: self = .name(parts[1], app: parts[0])
        default: return nil
        }
    }

    public var description: String {
        switch self {
        case .id(let id): id
        case .name(let name, "default"): name
        case .name(let name, let app): "\(app)/\(name)"
        }
    }
}
