import SandboxModel

/// Environments, which divide names: what is called `key` in `dev` is `dev.key` for everybody else. Names of `main`,
/// the one that is meant where none is said, are as they are.
package enum EnvironmentNames {
    static let main = "main"
    static let rule = "1–63 characters of [A-Za-z0-9_-], the first no dash"

    static func resolved(_ text: String) -> String { text.isEmpty ? main : text }

    /// What a name of an environment is called outside of it.
    package static func outer(_ name: String, in environment: String) -> String {
        let environment = resolved(environment)
        return environment == main ? name : "\(environment).\(name)"
    }

    /// What a name is called in an environment; nil when it belongs to another.
    package static func inner(_ name: String, in environment: String, of known: Set<String>) -> String? {
        let environment = resolved(environment)
        let prefix = String(name.prefix { $0 != "." })
        if environment == main {
            return prefix.utf8.count < name.utf8.count && known.contains(prefix) && prefix != main ? nil : name
        }
        guard prefix == environment, prefix.utf8.count < name.utf8.count else { return nil }
        return String(name.dropFirst(prefix.count + 1))
    }

    /// Throws `invalidArgument` for what is no environment's name. Dots would make names of others of them.
    package static func check(_ text: String) throws(CordonError) {
        guard (1...63).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "-"),
            text.utf8.allSatisfy({ NameRules.isNameByte($0) && $0 != UInt8(ascii: ".") })
        else { throw .invalid(field: "environment_name", value: text, rule: rule) }
    }
}
