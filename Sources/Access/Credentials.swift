import Foundation
import SandboxModel

/// `credentials.json`: where the service listens and a token for it, for clients of the same user.
public struct Credentials: Sendable, Hashable, Codable {
    /// The file's name in the data directory.
    public static let fileName = "credentials.json"

    public var url: String
    /// Where Modal SDKs find the service, in plain text and over TLS; nil while there is no such front.
    public var grpcURL: String?
    public var grpcTLSURL: String?
    /// What a client has to trust to believe that the server is the one, as PEM; nil where it is
    /// trusted anyway, or where there is no TLS. In the file itself, so that a copy is complete.
    public var caCertificate: String?
    public var tokenID: String
    public var tokenSecret: String

    enum CodingKeys: String, CodingKey {
        case url
        case grpcURL = "grpc_url"
        case grpcTLSURL = "grpc_tls_url"
        case caCertificate = "ca_certificate"
        case tokenID = "token_id"
        case tokenSecret = "token_secret"
    }

    public init(
        url: String, grpcURL: String? = nil, grpcTLSURL: String? = nil, caCertificate: String? = nil, token: Token
    ) {
        self.url = url
        self.grpcURL = grpcURL
        self.grpcTLSURL = grpcTLSURL
        self.caCertificate = caCertificate
        tokenID = token.id
        tokenSecret = token.secret
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(url, forKey: .url)
        // Present, and null: a client need not tell "absent" from "none".
        try container.encode(grpcURL, forKey: .grpcURL)
        try container.encode(grpcTLSURL, forKey: .grpcTLSURL)
        try container.encode(caCertificate, forKey: .caCertificate)
        try container.encode(tokenID, forKey: .tokenID)
        try container.encode(tokenSecret, forKey: .tokenSecret)
    }

    /// The credentials in `directory`, or nil when there is no such file.
    public static func read(in directory: String) throws -> Credentials? {
        guard let bytes = try PrivateFile.read(directory + "/" + fileName) else { return nil }
        return try JSONDecoder().decode(Credentials.self, from: Data(bytes))
    }

    /// Writes the file with mode 0600, whole or not at all.
    public func write(in directory: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try PrivateFile.write(
            [UInt8](try encoder.encode(self)) + [UInt8(ascii: "\n")], to: directory + "/" + Self.fileName)
    }

    /// Credentials that work, in the file and returned: the ones that are there, with the present
    /// URLs, or a new token when the file is gone or its token isn't on record.
    ///
    /// A file that can't be understood is an error, and stays: it may hold the only copy of a secret.
    public static func establish(
        in directory: String, url: String, grpcURL: String? = nil, grpcTLSURL: String? = nil,
        caCertificate: String? = nil, verifier: TokenVerifier
    ) async throws -> Credentials {
        var credentials: Credentials
        if let found = try read(in: directory), try await found.areValid(with: verifier) {
            credentials = found
            credentials.url = url
            credentials.grpcURL = grpcURL
            credentials.grpcTLSURL = grpcTLSURL
            credentials.caCertificate = caCertificate
            if credentials == found { return found }
        } else {
            credentials = Credentials(
                url: url, grpcURL: grpcURL, grpcTLSURL: grpcTLSURL, caCertificate: caCertificate,
                token: try await verifier.mintToken())
        }
        try credentials.write(in: directory)
        return credentials
    }

    private func areValid(with verifier: TokenVerifier) async throws -> Bool {
        do {
            _ = try await verifier.verify(bearer: tokenID + "." + tokenSecret)
            return true
        } catch let error as CordonError where error.code == .unauthenticated {
            return false
        }
    }
}
