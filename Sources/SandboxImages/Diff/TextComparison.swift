import SandboxModel

/// Reads changed files that are small and text, and compares them line by line.
struct TextComparison {
    /// Of one file, and of all that one page shows.
    private static let fileBytes: UInt64 = 256 << 10
    private static let pageBytes: UInt64 = 4 << 20

    private var left = pageBytes

    typealias Side = (attributes: FileAttributes, session: any FileSession)

    /// nil for a side on which there is no file.
    mutating func compare(_ path: FilePath, old: Side?, new: Side?) async throws -> TextDifference {
        let size = (old?.attributes.size ?? 0) + (new?.attributes.size ?? 0)
        guard old?.attributes.size ?? 0 <= Self.fileBytes, new?.attributes.size ?? 0 <= Self.fileBytes, size <= left
        else { return .tooLarge }
        left -= size
        guard let before = try await Self.text(path, old), let after = try await Self.text(path, new) else {
            return .binary
        }
        let name = path.text.dropFirst()
        guard
            let lines = UnifiedDiff(before, after).text(
                old: old == nil ? "/dev/null" : "a/\(name)", new: new == nil ? "/dev/null" : "b/\(name)")
        else { return .tooLarge }
        return .unified(lines)
    }

    /// What a file has on a side; nil where that isn't text.
    private static func text(_ path: FilePath, _ side: Side?) async throws -> String? {
        guard let side else { return "" }
        var bytes: [UInt8] = []
        _ = try await side.session.read(path, from: 0, upTo: fileBytes)
        while let piece = try await side.session.nextPiece() { bytes += piece }
        guard !bytes.contains(0) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}
