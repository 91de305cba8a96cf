import CordonAPI
import SandboxModel

/// The rule for users of commands.
enum UserRule {
    /// Throws `invalidArgument` unless `user` is a name or number, optionally with a group.
    static func checked(_ user: String) throws(CordonError) -> String {
        let parts = user.split(separator: ":", omittingEmptySubsequences: false)
        guard user.utf8.count <= 256, (1...2).contains(parts.count),
            parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") } }
            )
        else { throw .invalid(field: "user", value: user, rule: "a name or number, optionally followed by :group") }
        return user
    }
}

/// The two fields that the whole of stdin can be given in.
enum StdinFields {
    static func bytes(_ text: String?, _ encoded: String?) throws(CordonError) -> [UInt8]? {
        guard let encoded else { return text.map { Array($0.utf8) } }
        guard text == nil else {
            throw .invalid(field: "stdin_base64", value: nil, rule: "stdin or stdin_base64, not both")
        }
        guard let bytes = Base64.decode(encoded) else {
            throw .invalid(field: "stdin_base64", value: nil, rule: "base64 as in RFC 4648, section 4, padded")
        }
        return bytes
    }
}
