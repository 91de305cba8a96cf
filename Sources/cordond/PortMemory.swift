import Foundation
import ServiceConfiguration

/// Remembers which port an ephemeral one turned out to be, so that it is the same after a restart.
struct PortMemory: Sendable {
    private let path: String

    /// - Parameter name: the listener's; each has a file of its own.
    init(directory: String, name: String = "port") { path = "\(directory)/\(name)" }

    /// The port to bind: the given one, or for 0 the one that was bound last.
    func port(for address: ListenAddress) throws -> Int {
        guard address.port == 0, let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            return address.port
        }
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    func remember(_ port: Int, for address: ListenAddress) throws {
        guard address.port == 0 else { return }
        try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}
