import ArgumentParser
import CordonAPI

/// Where a sandbox sees a volume: `NAME:/path`, `NAME/directory:/path`, and `:ro` behind it where nothing is written.
struct VolumePlace: ExpressibleByArgument {
    let request: VolumeMountRequest

    init?(argument: String) {
        guard let colon = argument.firstIndex(of: ":") else { return nil }
        var path = argument[argument.index(after: colon)...]
        let isReadOnly = path.hasSuffix(":ro")
        if isReadOnly { path = path.dropLast(3) }
        let parts = argument[..<colon].split(separator: "/", maxSplits: 1)
        guard let name = parts.first, path.hasPrefix("/") else { return nil }
        request = VolumeMountRequest(
            volume: String(name), path: String(path), readOnly: isReadOnly ? true : nil,
            subPath: parts.count > 1 ? String(parts[1]) : nil)
    }
}

/// A file or directory of a volume: `NAME:/path`.
struct VolumeFile: ExpressibleByArgument {
    let volume: String
    let path: String

    init?(argument: String) {
        guard let colon = argument.firstIndex(of: ":") else { return nil }
        volume = String(argument[..<colon])
        path = String(argument[argument.index(after: colon)...])
        guard !volume.isEmpty, path.hasPrefix("/") else { return nil }
    }
}
