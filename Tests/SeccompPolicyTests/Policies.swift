import Foundation
import SeccompPolicy

/// The repository's own policies, found from this file's place in it.
enum Policies {
    static let directory = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "policies")

    static func load(_ name: String) throws -> SeccompProfile {
        let text = try String(contentsOf: directory.appending(path: "\(name).json"), encoding: .utf8)
        return try SeccompProfile(name: "policies/\(name).json", json: text)
    }
}
