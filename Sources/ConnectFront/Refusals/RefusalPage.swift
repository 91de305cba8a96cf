import CordonAPI
import NIOCore
import SandboxModel

/// The answer that is given in a sandbox's place: a page for people, a problem document for programs.
struct RefusalPage {
    let head: ResponseHead
    let body: ByteBuffer

    /// - Parameter head: the request, where there was one: whether pages are wanted, and whether a body is.
    init(_ refusal: Refusal, to head: RequestHead?, requestID: String) {
        let wantsPage = head?.fields["accept"].contains { $0.contains("text/html") } ?? false
        let content = wantsPage ? Self.page(refusal, requestID) : Self.problem(refusal, requestID)
        var fields = MessageFields()
        fields.append("Content-Type", wantsPage ? "text/html; charset=utf-8" : "application/problem+json")
        fields.append("Cache-Control", "no-store")
        fields.append("X-Content-Type-Options", "nosniff")
        fields.append("Referrer-Policy", "no-referrer")
        fields.append(
            "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'")
        fields.append("X-Request-ID", requestID)
        if refusal.status == 401 { fields.append("WWW-Authenticate", "Bearer realm=\"cordon connect\"") }
        if refusal.status == 405 { fields.append("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS") }
        if let seconds = refusal.retryAfter { fields.append("Retry-After", String(seconds)) }
        let hasBody = head?.method != "HEAD"
        if !hasBody { fields.append("Content-Length", String(content.count)) }
        self.head = ResponseHead(
            status: refusal.status, reason: refusal.title, fields: fields,
            body: hasBody ? .length(content.count) : .none)
        body = hasBody ? ByteBuffer(bytes: content) : ByteBuffer()
    }

    private static func problem(_ refusal: Refusal, _ requestID: String) -> [UInt8] {
        let error = CordonError(
            refusal.code, refusal.detail, retryAfter: refusal.retryAfter.map { .seconds($0) })
        let problem = Problem(error: error, status: refusal.status, title: refusal.title, requestID: requestID)
        return (try? JSONText.encode(problem)) ?? Array("{}".utf8)
    }

    /// Texts of ours alone: nothing needs escaping. A page that may soon be another asks again by itself.
    private static func page(_ refusal: Refusal, _ requestID: String) -> [UInt8] {
        let again = refusal.retryAfter.map { "<meta http-equiv=\"refresh\" content=\"\($0 + 1)\">" } ?? ""
        return Array(
            """
            <!doctype html><html lang="en"><meta charset="utf-8">\(again)<title>\(refusal.status) \(refusal.title)</title>
            <style>body{font:1.1em system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em}\
            small{color:#777}</style>
            <h1>\(refusal.status) \(refusal.title)</h1><p>\(refusal.detail).</p><p><small>Cordon, \(requestID)</small></p></html>

            """.utf8)
    }
}

/// Sends a browser on to the address without the token, which is in a cookie from then on: no script of the
/// page gets to see it.
struct CleanAddress {
    let head: ResponseHead

    /// nil unless the request is a browser's, for a page in a tab of its own.
    init?(for request: RequestHead, cookie: String) {
        guard request.method == "GET", request.fields["sec-fetch-mode"] == ["navigate"],
            request.fields["sec-fetch-dest"] == ["document"]
        else { return nil }
        var fields = MessageFields()
        // A path that begins with two slashes, of whichever kind, would be another host's address.
        let path = request.target.utf8.drop { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
        fields.append("Location", "/" + (String(path) ?? ""))
        fields.append("Set-Cookie", cookie)
        fields.append("Cache-Control", "no-store")
        fields.append("Referrer-Policy", "no-referrer")
        head = ResponseHead(status: 303, reason: "See Other", fields: fields)
    }
}
