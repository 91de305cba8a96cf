import SandboxModel

/// A sandbox's task, which is the sandbox itself: its id's letters and digits, and a `V` at the end, by which
/// clients know that the task has a router.
package struct TaskID: Sendable, Hashable, CustomStringConvertible {
    private static let prefix = "ta-"
    package let sandbox: SandboxID

    package init(_ sandbox: SandboxID) { self.sandbox = sandbox }

    /// nil for anything else.
    package init?(_ text: String) {
        guard text.hasPrefix(Self.prefix), text.hasSuffix("V"),
            let id = SandboxID(SandboxID.prefix + text.dropFirst(Self.prefix.count).dropLast())
        else { return nil }
        sandbox = id
    }

    package var description: String { "\(Self.prefix)\(sandbox.text.dropFirst(SandboxID.prefix.count))V" }
}
