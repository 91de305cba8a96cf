import SandboxModel

/// The cookie that a browser goes on with, once its first request showed a token in the query.
enum TokenCookie {
    /// Not for scripts, not for other sites' pages, and no longer than the token is good.
    static func field(_ token: String, until expiry: Timestamp, now: Timestamp, isSecure: Bool) -> String {
        let seconds = max(0, (expiry.microseconds - now.microseconds) / 1_000_000)
        return "\(ShownTokens.name)=\(token); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Lax"
            + (isSecure ? "; Secure" : "")
    }
}
