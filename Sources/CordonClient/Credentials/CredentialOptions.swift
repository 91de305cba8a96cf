/// What a caller says about where credentials are; each goes before the environment.
public struct CredentialOptions: Sendable, Hashable {
    /// A `credentials.json`.
    public var file: String?
    /// `http[s]://host[:port]`.
    public var url: String?
    /// A file that holds `<id>.<secret>`.
    public var tokenFile: String?
    /// A file of certificates in PEM, which are trusted in place of the system's.
    public var caFile: String?

    public init(file: String? = nil, url: String? = nil, tokenFile: String? = nil, caFile: String? = nil) {
        self.file = file
        self.url = url
        self.tokenFile = tokenFile
        self.caFile = caFile
    }
}

/// Where a part of the credentials comes from.
public enum CredentialOrigin: Sendable, Hashable, CustomStringConvertible {
    case option(String)
    case variable(String)
    case file(String)
    case standard

    public var description: String {
        switch self {
        case .option(let name): name
        case .variable(let name): name
        case .file(let path): path
        case .standard: "default"
        }
    }
}

/// The credentials that hold, and why.
public struct FoundCredentials: Sendable {
    public var credentials: Credentials
    /// The `credentials.json` that was read; nil when none was.
    public var file: String?
    public var urlOrigin: CredentialOrigin
    public var tokenOrigin: CredentialOrigin
    /// Nil where what the system trusts is trusted.
    public var certificateOrigin: CredentialOrigin?
}
