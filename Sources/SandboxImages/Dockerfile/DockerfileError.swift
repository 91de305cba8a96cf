import SandboxModel

/// What is wrong with a Dockerfile, and where.
package struct DockerfileError: Error, Sendable, Hashable {
    package let line: Int
    package let column: Int
    package let message: String

    package var converted: CordonError {
        CordonError(
            .invalidArgument, "line \(line), column \(column) of the Dockerfile: \(message)", field: "dockerfile",
            rule: message, detail: ["line": "\(line)", "column": "\(column)"])
    }
}
