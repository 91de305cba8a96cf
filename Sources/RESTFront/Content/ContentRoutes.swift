import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// Content at signed addresses, which take no token: the address is the right to it.
enum ContentRoutes {
    static func putPart(_ exchange: Exchange) async throws -> Response {
        let id = try blob(exchange)
        let text = exchange.parameters["part"] ?? ""
        guard let number = Int(text), "\(number)" == text else {
            throw CordonError.invalid(field: "part", value: text, rule: "a part's number")
        }
        try admit(.part(id, number: number), exchange)
        let uploads = exchange.front.uploads
        let tag = try await exchange.upload { body in
            try await uploads.takePart(number, of: id) { try await body.next() }
        }
        return Response(status: .ok, headers: [.eTag: "\"\(tag)\""])
    }

    static func complete(_ exchange: Exchange) async throws -> Response {
        let id = try blob(exchange)
        try admit(.completion(id), exchange)
        let tags = try PartList.tags(try await exchange.bodyBytes())
        return text(try await exchange.front.uploads.complete(id, tags: tags))
    }

    static func putFile(_ exchange: Exchange) async throws -> Response {
        let digest = try digest(exchange)
        try admit(.file(digest), exchange)
        let uploads = exchange.front.uploads
        try await exchange.upload { body in try await uploads.take(digest) { try await body.next() } }
        return text(digest.hex)
    }

    static func getFile(_ exchange: Exchange) async throws -> Response {
        let digest = try digest(exchange)
        try admit(.fileContent(digest), exchange)
        return answer(try await exchange.front.uploads.open(digest))
    }

    static func getBlob(_ exchange: Exchange) async throws -> Response {
        let id = try blob(exchange)
        try admit(.blob(id), exchange)
        return answer(try await exchange.front.uploads.open(id))
    }

    private static func answer(_ content: any UploadedContent) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/octet-stream"],
            body: ResponseBody(contentLength: Int(content.bytes)) { writer in
                while let piece = try await content.next() { try await writer.write(ByteBuffer(bytes: piece)) }
                try await writer.finish(nil)
            })
    }

    private static func digest(_ exchange: Exchange) throws(CordonError) -> ContentDigest {
        let name = exchange.parameters["digest"] ?? ""
        guard let digest = ContentDigest("sha256:\(name)") else {
            throw .invalid(field: "digest", value: name, rule: "64 hexadecimal digits in lower case")
        }
        return digest
    }

    private static func blob(_ exchange: Exchange) throws(CordonError) -> BlobID {
        let text = exchange.parameters["blob"] ?? ""
        guard let id = BlobID(text) else {
            throw CordonError(.notFound, "there is no blob \(text.prefix(64))", field: "blob", value: text)
        }
        return id
    }

    private static func admit(_ content: ContentAddress, _ exchange: Exchange) throws(CordonError) {
        let query = try exchange.query(["expires", "signature"])
        try exchange.front.uploads.admit(
            content, expires: query.text("expires"), signature: query.text("signature"))
    }

    private static func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
