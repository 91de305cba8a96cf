import CordonAPI
import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import SandboxModel
import Synchronization

/// Asks one server for one repository's manifests and blobs
/// (https://github.com/opencontainers/distribution-spec).
final class RegistryClient: Sendable {
    private static let mostRedirects = 5
    private static let tokenBytes = 64 * 1024

    private let transport: RegistryTransport
    private let endpoint: RegistryEndpoint
    private let repository: String
    private let credentials: RegistryCredentials
    /// What goes into `Authorization` since the server has asked for it.
    private let authorization = Mutex<String?>(nil)

    init(
        transport: RegistryTransport, endpoint: RegistryEndpoint, repository: String, credentials: RegistryCredentials
    ) {
        self.transport = transport
        self.endpoint = endpoint
        self.repository = repository
        self.credentials = credentials
    }

    /// A manifest or an index, with its type.
    func manifest(_ tagOrDigest: String) async throws -> (type: String, bytes: [UInt8]) {
        let what = "\(endpoint)/\(repository):\(tagOrDigest)"
        return try await get(
            "/v2/\(repository)/manifests/\(tagOrDigest)", fields: [("Accept", MediaType.manifests)], what: what
        ) { head, pieces in
            let type = head.headers.first(name: "content-type") ?? ""
            let bytes = try await pieces.all(upTo: MediaType.manifestBytes, what: "the manifest of \(what)")
            return (String(type.prefix { $0 != ";" }), bytes)
        }
    }

    /// A small blob, whole and verified.
    func smallBlob(_ blob: Descriptor, upTo limit: Int) async throws -> [UInt8] {
        guard blob.size <= UInt64(limit) else {
            throw RegistryError.tooLarge(what: "\(blob.digest)", bytes: blob.size, limit: UInt64(limit))
        }
        let bytes = try await get(path(blob.digest), fields: [], what: what(blob.digest)) { _, pieces in
            try await pieces.all(upTo: limit, what: "\(blob.digest)")
        }
        let found = ContentDigest(bytes: SHA256.hash(data: bytes))
        guard found == blob.digest else { throw RegistryError.digestMismatch(expected: blob.digest, found: found) }
        return bytes
    }

    /// Gives a blob's bytes from `offset` on to `take`, or from the start where the server knows no ranges.
    func blob(
        _ digest: ContentDigest, from offset: UInt64,
        _ take: (_ start: UInt64, inout ResponsePieces) async throws -> Void
    ) async throws {
        try await get(
            path(digest), fields: offset > 0 ? [("Range", "bytes=\(offset)-")] : [], what: what(digest)
        ) { head, pieces in
            try await take(head.status == .partialContent ? offset : 0, &pieces)
        }
    }

    private func path(_ digest: ContentDigest) -> String { "/v2/\(repository)/blobs/\(digest)" }

    private func what(_ digest: ContentDigest) -> String { "\(endpoint)/\(repository)@\(digest)" }

    // MARK: Requests

    /// What becomes of one request.
    private enum Step<Value: Sendable>: Sendable {
        case answer(Value)
        case prove([String])
        case goTo(String)
    }

    /// Asks, proves who asks when that is wanted, and follows redirects, without credentials to other servers.
    private func get<Value: Sendable>(
        _ path: String, fields: [(String, String)], what: String,
        _ use: (HTTPResponseHead, inout ResponsePieces) async throws -> Value
    ) async throws -> Value {
        guard let home = RegistryURL(endpoint.url + path) else {
            throw RegistryError.unreachable(host: endpoint.host, why: "it is no host")
        }
        var url = home
        var hasProven = false
        for _ in 0...Self.mostRedirects + 1 {
            let isHome = url.isOfSameServer(as: home)
            let proof = isHome ? authorization.withLock { $0 } : nil
            let step = try await transport.get(
                url, fields: fields + (proof.map { [("Authorization", $0)] } ?? [])
            ) { head, pieces -> Step<Value> in
                switch try Self.verdict(head, mayProve: isHome && !hasProven, endpoint, what) {
                case .use: .answer(try await use(head, &pieces))
                case .prove: .prove(head.headers["www-authenticate"])
                case .redirect(let location): .goTo(location)
                }
            }
            switch step {
            case .answer(let value): return value
            case .prove(let challenges):
                try await prove(to: challenges)
                hasProven = true
            case .goTo(let location): url = try follow(location, from: url)
            }
        }
        throw RegistryError.unreachable(host: endpoint.host, why: "it redirects without end")
    }

    private enum Verdict {
        case use, prove
        case redirect(String)
    }

    private static func verdict(
        _ head: HTTPResponseHead, mayProve: Bool, _ endpoint: RegistryEndpoint, _ what: String
    ) throws -> Verdict {
        switch head.status.code {
        case 200, 206: return .use
        case 401 where mayProve: return .prove
        case 401, 403: throw RegistryError.unauthorized(host: endpoint.host)
        case 404: throw RegistryError.notFound(what)
        case 301, 302, 303, 307, 308:
            guard let location = head.headers.first(name: "location") else { fallthrough }
            return .redirect(location)
        default: throw RegistryError.refused(host: endpoint.host, status: Int(head.status.code))
        }
    }

    /// Where a redirect leads. From TLS there is no way back to plain HTTP.
    private func follow(_ location: String, from url: RegistryURL) throws -> RegistryURL {
        let base = "\(url.isSecure ? "https" : "http")://\(url.authority)"
        let isPath = location.hasPrefix("/") && !location.hasPrefix("//")
        guard let next = RegistryURL(isPath ? base + location : location), next.isSecure || endpoint.isPlain else {
            throw RegistryError.unreachable(host: endpoint.host, why: "it redirects to what isn't https://")
        }
        return next
    }

    // MARK: Proof

    private func prove(to challenges: [String]) async throws {
        let basic = credentials.basic(for: endpoint)
        for challenge in challenges.compactMap({ AuthChallenge($0) }) {
            switch challenge {
            case .bearer(let realm, let service, let scope):
                let token = try await token(realm, service: service, scope: scope, basic: basic)
                authorization.withLock { $0 = "Bearer \(token)" }
                return
            case .basic:
                guard let basic else { continue }
                authorization.withLock { $0 = "Basic \(basic)" }
                return
            }
        }
        throw RegistryError.unauthorized(host: endpoint.host)
    }

    /// Asks the realm for a token to read the repository. It is a server of the registry's choice: it gets the
    /// registry's own credentials, and over TLS unless the registry itself is without.
    private func token(_ realm: String, service: String?, scope: String?, basic: String?) async throws -> String {
        let refused = RegistryError.unauthorized(host: endpoint.host)
        guard var parts = URLComponents(string: realm) else { throw refused }
        var items = parts.queryItems ?? []
        if let service { items.append(URLQueryItem(name: "service", value: service)) }
        items.append(URLQueryItem(name: "scope", value: scope ?? "repository:\(repository):pull"))
        parts.queryItems = items
        guard let url = parts.string.flatMap({ RegistryURL($0) }), url.isSecure || endpoint.isPlain else {
            throw refused
        }
        let bytes = try await transport.get(url, fields: basic.map { [("Authorization", "Basic \($0)")] } ?? []) {
            head, pieces in
            guard head.status == .ok else { throw refused }
            return try await pieces.all(upTo: Self.tokenBytes, what: "a token")
        }
        guard case .object(let members)? = try? JSONParser.parse(bytes) else { throw refused }
        for name in ["token", "access_token"] {
            guard case .string(let text)? = members[name], !text.isEmpty,
                text.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
            else { continue }
            return text
        }
        throw refused
    }
}
