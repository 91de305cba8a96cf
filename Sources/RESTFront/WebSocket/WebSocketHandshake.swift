import CordonAPI
import Crypto
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// A request to open a WebSocket connection, as RFC 6455, section 4.2, asks for it.
package struct WebSocketHandshake: Sendable {
    /// What RFC 6455 appends to a client's key.
    private static let keySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// The subprotocols that the client offers, in its order; those that carry a token aside.
    let offered: [String]
    /// `Sec-WebSocket-Accept`; nil over HTTP/2, which needs none.
    let accept: String?

    /// Throws what the client is answered instead.
    package init(_ request: Request) throws {
        let fields = request.headers
        offered = fields[values: .secWebSocketProtocol].flatMap(Self.tokens).filter { !BearerSubprotocol.isOne($0) }
        if request.head.extendedConnectProtocol == "websocket" {
            accept = nil
            return
        }
        guard fields[values: .upgrade].flatMap(Self.tokens).contains(where: { $0.lowercased() == "websocket" }),
            fields[values: .connection].flatMap(Self.tokens).contains(where: { $0.lowercased() == "upgrade" })
        else { throw RequestRefused.upgradeRequired }
        guard fields[values: .secWebSocketVersion] == ["13"] else {
            throw RequestRefused.webSocketVersion(fields[.secWebSocketVersion])
        }
        guard fields[.transferEncoding] == nil, fields[.contentLength] ?? "0" == "0" else {
            throw CordonError.invalid(field: "body", value: nil, rule: "none in a WebSocket handshake")
        }
        let keys = fields[values: .secWebSocketKey]
        guard keys.count == 1, let key = keys.first, Base64.decode(key)?.count == 16 else {
            throw CordonError.invalid(
                field: "Sec-WebSocket-Key", value: keys.first, rule: "16 bytes in base64, once (RFC 6455, section 4.1)")
        }
        let hash = Insecure.SHA1.hash(data: Array((key + Self.keySuffix).utf8))
        accept = String(decoding: Base64.encode(hash), as: UTF8.self)
    }

    /// The first of the client's subprotocols that is among `served`; the first served where the client
    /// names none, and then the answer names none either.
    func choose(from served: [String]) throws(CordonError) -> (name: String, isNamed: Bool) {
        guard !offered.isEmpty else { return (served[0], false) }
        guard let name = offered.first(where: served.contains) else {
            throw .invalid(
                field: "Sec-WebSocket-Protocol", value: offered.joined(separator: ", "),
                rule: "one of \(served.joined(separator: ", "))")
        }
        return (name, true)
    }

    /// The elements of a list-based field.
    static func tokens(_ field: String) -> [String] {
        field.split(separator: ",").map { String($0.drop { $0 == " " || $0 == "\t" }) }
            .map { text in
                var text = text
                while text.last == " " || text.last == "\t" { text.removeLast() }
                return text
            }
            .filter { !$0.isEmpty }
    }
}

/// A token that comes as a subprotocol, since pages in browsers can't set fields: the token
/// (`<id>.<secret>`) in base64url without padding behind a prefix. Never answered, never logged.
enum BearerSubprotocol {
    /// Ours, and the one that Kubernetes' API server takes.
    private static let prefixes = ["cordon.bearer.", "base64url.bearer.authorization.k8s.io."]

    static func isOne(_ subprotocol: String) -> Bool { prefixes.contains { subprotocol.hasPrefix($0) } }

    /// The token among the offered subprotocols; throws where one is no token, or there are several.
    static func token(in fields: HTTPFields) throws(CordonError) -> String? {
        let offered = fields[values: .secWebSocketProtocol].flatMap(WebSocketHandshake.tokens).filter(isOne)
        guard let one = offered.first else { return nil }
        guard offered.count == 1, let prefix = prefixes.first(where: { one.hasPrefix($0) }),
            let bytes = decode(one.dropFirst(prefix.count)), let token = String(validating: bytes, as: UTF8.self)
        else {
            throw CordonError(
                .unauthenticated, "this isn't a bearer token", field: "Sec-WebSocket-Protocol",
                rule: "one of \(prefixes.map { $0 + "<base64url of id.secret>" }.joined(separator: " or "))")
        }
        return token
    }

    private static func decode(_ text: Substring) -> [UInt8]? {
        guard !text.contains(where: { "+/=".contains($0) }) else { return nil }
        let standard = text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
        return Base64.decode(String(standard) + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4))
    }
}

/// Pages from elsewhere may not use a browser's way in (RFC 6455, section 10.2).
enum OriginCheck {
    /// Throws unless the request has no `Origin`, the service's own, or one of `allowed`.
    static func admit(_ request: Request, allowed: [String]) throws(CordonError) {
        let given = request.headers[values: .origin]
        guard let origin = given.first else { return }
        let own = "\(request.head.scheme ?? "http")://\(request.head.authority ?? "")"
        guard given.count == 1, origin.lowercased() == own.lowercased() || allowed.contains(origin) else {
            throw CordonError(
                .permissionDenied, "pages of this origin may not attach", field: "Origin", value: origin,
                rule: "the service's own, or one that it is configured to allow")
        }
    }
}
