import CordonAPI

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Where the service is, and the token to show it.
public struct Credentials: Sendable {
    public var url: String
    /// What vouches for the service, as PEM, where it speaks TLS; nil for what the system trusts.
    public var caCertificate: String?
    public var tokenID: String
    public var tokenSecret: String

    public init(url: String, caCertificate: String? = nil, tokenID: String, tokenSecret: String) {
        self.url = url
        self.caCertificate = caCertificate
        self.tokenID = tokenID
        self.tokenSecret = tokenSecret
    }

    private struct File: Decodable {
        var url: String
        var caCertificate: String?
        var tokenID: String
        var tokenSecret: String

        enum CodingKeys: String, CodingKey {
            case url
            case caCertificate = "ca_certificate"
            case tokenID = "token_id"
            case tokenSecret = "token_secret"
        }
    }

    /// Those of a `credentials.json`, as the service writes it on its first start.
    public init(path: String) throws(ClientError) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .credentials("there is no readable file \(path)")
        }
        guard let file = try? JSONText.decode(File.self, from: Array(data)) else {
            throw .credentials("\(path) isn't a credentials file")
        }
        self.init(
            url: file.url, caCertificate: file.caCertificate, tokenID: file.tokenID, tokenSecret: file.tokenSecret)
    }

    /// The first there is: the path given, the environment (`CORDON_TOKEN_ID` and `CORDON_TOKEN_SECRET`,
    /// or `CORDON_CREDENTIALS`), the service's own file, the user's. `url` and `CORDON_URL` override
    /// theirs, and the file that `CORDON_CA_FILE` names overrides the certificate.
    public static func find(
        path: String? = nil, url: String? = nil, environment: [String: String]
    ) throws(ClientError) -> Credentials {
        var found: Credentials
        let address = url ?? environment[ClientVariables.url]
        if let path = path
            ?? (environment[ClientVariables.tokenID] == nil ? environment[ClientVariables.credentials] : nil)
        {
            found = try Credentials(path: path)
        } else if let id = environment[ClientVariables.tokenID], let secret = environment[ClientVariables.tokenSecret] {
            found = Credentials(url: address ?? "http://127.0.0.1:7747", tokenID: id, tokenSecret: secret)
        } else {
            let places = [
                "/var/lib/cordon/credentials.json", (environment["HOME"] ?? "") + "/.config/cordon/credentials.json",
            ]
            guard let there = places.first(where: { FileManager.default.isReadableFile(atPath: $0) }) else {
                throw .credentials(
                    "no credentials: set CORDON_CREDENTIALS to a file, or CORDON_URL, CORDON_TOKEN_ID and CORDON_TOKEN_SECRET; "
                        + "looked for \(places.joined(separator: " and "))")
            }
            found = try Credentials(path: there)
        }
        if let address { found.url = address }
        if let path = environment[ClientVariables.caFile] {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw .credentials("\(ClientVariables.caFile): there is no readable file \(path)")
            }
            found.caCertificate = String(decoding: data, as: UTF8.self)
        }
        return found
    }
}
