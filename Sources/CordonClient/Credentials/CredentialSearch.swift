import CordonAPI

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Credentials {
    /// Where the service listens unless told otherwise.
    public static let standardURL = "http://127.0.0.1:7747"
    /// The file of a service in its standard place, readable for its own account and root.
    public static let serviceFile = "/var/lib/cordon/credentials.json"

    /// The credentials that hold: options go before variables, variables before the user's file, and that
    /// before the file of the service on this machine.
    ///
    /// A file that an option or `CORDON_CREDENTIALS` names must be readable. The user's and the
    /// service's are looked for only where no token is given otherwise: they are for their own service.
    public static func find(
        _ options: CredentialOptions = CredentialOptions(), environment: [String: String]
    ) throws(ClientError) -> FoundCredentials {
        var search = CredentialSearch(options: options, environment: environment)
        return try search.run()
    }

    /// The user's file, which `XDG_CONFIG_HOME` may move.
    public static func userFile(environment: [String: String]) -> String {
        let base = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        return (base ?? (environment["HOME"] ?? "") + "/.config") + "/cordon/credentials.json"
    }
}

/// One search for credentials.
private struct CredentialSearch {
    let options: CredentialOptions
    let environment: [String: String]

    private typealias Token = (id: String, secret: String)

    mutating func run() throws(ClientError) -> FoundCredentials {
        let token = try tokenGiven()
        let path = try file(isTokenGiven: token != nil)
        let filed = try path.map { (path) throws(ClientError) in try Credentials(path: path) }
        guard let (pair, tokenOrigin) = token ?? filed.map({ (($0.tokenID, $0.tokenSecret), .file(path ?? "")) }) else {
            throw .credentials(
                "no credentials: name a file with --credentials or \(ClientVariables.credentials), or set "
                    + "\(ClientVariables.token); looked for \(places.joined(separator: " and "))")
        }
        let (url, urlOrigin) =
            address ?? filed.map { ($0.url, .file(path ?? "")) } ?? (Credentials.standardURL, .standard)
        var (certificate, certificateOrigin) = try certificateGiven()
        if certificate == nil, let own = filed?.caCertificate {
            (certificate, certificateOrigin) = (own, .file(path ?? ""))
        }
        var credentials = Credentials(
            url: url, caCertificate: certificate, tokenID: pair.id, tokenSecret: pair.secret)
        (credentials.modalURL, credentials.modalTLSURL) = (filed?.modalURL, filed?.modalTLSURL)
        return FoundCredentials(
            credentials: credentials,
            file: path, urlOrigin: urlOrigin, tokenOrigin: tokenOrigin, certificateOrigin: certificateOrigin)
    }

    private func variable(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private var places: [String] { [Credentials.userFile(environment: environment), Credentials.serviceFile] }

    private func file(isTokenGiven: Bool) throws(ClientError) -> String? {
        if let path = options.file ?? variable(ClientVariables.credentials) { return path }
        if isTokenGiven { return nil }
        return places.first { FileManager.default.isReadableFile(atPath: $0) }
    }

    private var address: (String, CredentialOrigin)? {
        if let url = options.url { return (url, .option("--url")) }
        return variable(ClientVariables.url).map { ($0, .variable(ClientVariables.url)) }
    }

    /// A token that is given beside the files. `--credentials` goes before tokens in variables.
    private func tokenGiven() throws(ClientError) -> (Token, CredentialOrigin)? {
        if let path = options.tokenFile {
            let text = String(decoding: try Credentials.contents(of: path), as: UTF8.self)
            return (try Self.token(text, in: path), .option("--token-file"))
        }
        if options.file != nil { return nil }
        if let id = variable(ClientVariables.tokenID), let secret = variable(ClientVariables.tokenSecret) {
            return ((id, secret), .variable(ClientVariables.tokenID))
        }
        guard let text = variable(ClientVariables.token) else { return nil }
        return (try Self.token(text, in: ClientVariables.token), .variable(ClientVariables.token))
    }

    /// The two halves of `<id>.<secret>`. Errors never hold what is between them.
    private static func token(_ text: String, in place: String) throws(ClientError) -> Token {
        let halves = text.split(whereSeparator: \.isWhitespace).first?.split(separator: ".", maxSplits: 1) ?? []
        guard halves.count == 2 else { throw .credentials("\(place) doesn't hold <id>.<secret>") }
        return (String(halves[0]), String(halves[1]))
    }

    private func certificateGiven() throws(ClientError) -> (String?, CredentialOrigin?) {
        let path: String
        let origin: CredentialOrigin
        if let file = options.caFile {
            (path, origin) = (file, .option("--ca-file"))
        } else if let file = variable(ClientVariables.caFile) {
            (path, origin) = (file, .variable(ClientVariables.caFile))
        } else {
            return (nil, nil)
        }
        return (String(decoding: try Credentials.contents(of: path), as: UTF8.self), origin)
    }
}
