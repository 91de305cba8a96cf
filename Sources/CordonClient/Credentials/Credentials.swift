import CordonAPI

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Where the service is, and the token to show it.
public struct Credentials: Sendable {
    public var url: String
    /// Where Modal SDKs find the service, in plain text and over TLS; nil where the file doesn't say.
    public var modalURL: String?
    public var modalTLSURL: String?
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
        var grpcURL: String?
        var grpcTLSURL: String?
        var caCertificate: String?
        var tokenID: String
        var tokenSecret: String

        enum CodingKeys: String, CodingKey {
            case url
            case grpcURL = "grpc_url"
            case grpcTLSURL = "grpc_tls_url"
            case caCertificate = "ca_certificate"
            case tokenID = "token_id"
            case tokenSecret = "token_secret"
        }
    }

    /// Those of a `credentials.json`, as the service writes it on its first start.
    public init(path: String) throws(ClientError) {
        guard let file = try? JSONText.decode(File.self, from: Self.contents(of: path)) else {
            throw .credentials("\(path) isn't a credentials file")
        }
        self.init(
            url: file.url, caCertificate: file.caCertificate, tokenID: file.tokenID, tokenSecret: file.tokenSecret)
        modalURL = file.grpcURL
        modalTLSURL = file.grpcTLSURL
    }

    static func contents(of path: String) throws(ClientError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .credentials("there is no readable file \(path)")
        }
        return Array(data)
    }
}
