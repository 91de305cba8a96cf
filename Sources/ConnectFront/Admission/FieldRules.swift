/// Which fields go no further than this proxy.
enum FieldRules {
    /// The field that says whose token a request came with; ours alone.
    static let verifiedUser = "X-Verified-User-Data"

    /// What belongs to one connection (RFC 9110, section 7.6.1), beside what `Connection` names; each as `canonical`
    /// spells it, since a server that takes `Transfer_Encoding` for what it resembles would read another body.
    private static let hopByHop: Set = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
        "proxy-authentication-info", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
        "content-length", "host",
    ]

    /// What this proxy says of a request and nobody else may; each as `canonical` spells it.
    private static let ours: Set = [
        "x-verified-user-data", "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
        "x-forwarded-port", "x-forwarded-server", "x-real-ip", "x-forwarded-ssl", "x-forwarded-scheme",
    ]

    /// What an answer may not say of an origin that isn't the sandbox's alone.
    private static let unwantedInAnswers: Set = [
        "alt-svc", "strict-transport-security", "public-key-pins", "service-worker-allowed",
    ]

    /// Removes what isn't for the next one in line.
    static func removeHopByHop(_ fields: inout MessageFields) {
        let named = Set(fields.elements(of: "connection"))
        fields.removeAll { hopByHop.contains(canonical($0.name)) || named.contains($0.name.lowercased()) }
    }

    static func removeSpoofed(_ fields: inout MessageFields) {
        fields.removeAll { ours.contains(canonical($0.name)) }
    }

    static func removeUnwanted(fromAnswer fields: inout MessageFields) {
        fields.removeAll { unwantedInAnswers.contains($0.name.lowercased()) }
    }

    /// The name as the most careless server could read it: CGI and WSGI know letters and digits alone.
    private static func canonical(_ name: String) -> String {
        String(
            decoding: name.utf8.map { byte -> UInt8 in
                switch byte.lowercasedASCII {
                case let byte where (97...122).contains(byte) || (48...57).contains(byte): byte
                default: UInt8(ascii: "-")
                }
            }, as: UTF8.self)
    }
}
