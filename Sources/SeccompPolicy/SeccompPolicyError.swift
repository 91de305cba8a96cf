/// Why a seccomp profile was refused: where in its text, which field, which value, and the rule it breaks.
public struct SeccompPolicyError: Error, Hashable, CustomStringConvertible {
    /// The profile's name as given to ``SeccompProfile/init(name:json:)``.
    public let profile: String
    /// Line of the offending value, from 1.
    public let line: Int
    /// Column of the offending value in Unicode scalars, from 1.
    public let column: Int
    /// What is wrong and what would be right.
    public let message: String

    /// `profile:line:column: message`, the form that editors can follow.
    public var description: String { "\(profile):\(line):\(column): \(message)" }

    init(profile: String, at position: TextPosition, _ message: String) {
        self.profile = profile
        self.line = position.line
        self.column = position.column
        self.message = message
    }
}

/// A place in a profile's text; both count from 1, columns in Unicode scalars as libyaml does.
struct TextPosition: Hashable, Sendable, CustomStringConvertible {
    var line: Int
    var column: Int

    static let start = TextPosition(line: 1, column: 1)

    var description: String { "\(line):\(column)" }
}
