/// Ids that tie an answer, its log lines and its problem document together.
package enum RequestID {
    /// The client's, when it is 1–128 characters of `[A-Za-z0-9._-]`; else a new one.
    package static func accept(_ text: String?) -> String {
        guard let text, (1...128).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 46
                    || $0 == 95
            })
        else { return mint() }
        return text
    }

    package static func mint() -> String {
        let digits = Array("0123456789abcdef".utf8)
        var generator = SystemRandomNumberGenerator()
        return "rq-"
            + String(decoding: (0..<20).map { _ in digits[Int.random(in: 0..<16, using: &generator)] }, as: UTF8.self)
    }
}
