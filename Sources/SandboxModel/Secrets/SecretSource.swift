/// One of the `secrets` that a sandbox or an exec asks for. Of several the later ones hold, and what `env`
/// says holds over all of them.
public enum SecretSource: Sendable, Hashable {
    /// The most of one request.
    public static let maximumCount = 64

    /// A secret on record, which must have these variables.
    case stored(SecretReference, requiredKeys: [String])
    /// Variables of the request itself, kept as closely as a secret's.
    case inline(Environment)
}

extension Environment: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// How many there are: a value never gets into a text by being interpolated.
    public var description: String { "\(variables.count) variables" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [] as [Mirror.Child]) }

    /// Their names, in order.
    public var names: [String] { variables.keys.sorted() }
}
