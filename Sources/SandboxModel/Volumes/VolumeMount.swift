/// A volume that a sandbox is to see at a path.
public struct VolumeMount: Sendable, Hashable {
    /// The most volumes of one sandbox.
    public static let maximumCount = 16

    /// As asked for; an id from the moment that the sandbox is created.
    public var volume: VolumeReference
    public var path: FilePath
    public var isReadOnly: Bool
    /// The directory of the volume that is seen; nil for all of it.
    public var subPath: VolumePath?

    public init(volume: VolumeReference, path: FilePath, isReadOnly: Bool = false, subPath: VolumePath? = nil) {
        self.volume = volume
        self.path = path
        self.isReadOnly = isReadOnly
        self.subPath = subPath
    }

    /// Throws `invalidArgument` for `volumes` when there are too many, two have one path, or a path can't be mounted on.
    public static func check(_ mounts: [VolumeMount], field: String = "volumes") throws(CordonError) {
        guard mounts.count <= maximumCount else {
            throw .invalid(field: field, value: "\(mounts.count) volumes", rule: "at most \(maximumCount)")
        }
        var seen: Set<FilePath> = []
        for (index, mount) in mounts.enumerated() {
            let place = "\(field)[\(index)].path"
            try mount.path.checkMountable(field: place)
            guard seen.insert(mount.path).inserted else {
                throw .invalid(field: place, value: mount.path.text, rule: "one volume at a path")
            }
        }
    }
}

/// A directory inside a volume: names separated by slashes, none of them `.` or `..`.
public struct VolumePath: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// Slashes at either end don't count. Throws `invalidArgument` for `field`.
    public init(_ text: String, field: String = "sub_path") throws(CordonError) {
        let names = text.pathNames
        guard !names.isEmpty, names.allSatisfy({ $0 != "." && $0 != ".." && $0.utf8.count <= 255 }),
            !text.utf8.contains(0), text.utf8.count <= 1024
        else {
            throw .invalid(
                field: field, value: text, rule: "a path below the volume's root, at most 1,024 bytes, without . and .."
            )
        }
        self.text = names.joined(separator: "/")
    }

    public var description: String { text }
}

extension FilePath {
    /// Whether every component is a name: what a mount can be found by again.
    public var isPlain: Bool {
        text != "/"
            && text.pathComponents.dropFirst()
                .allSatisfy { !["", ".", ".."].contains($0) }
    }

    /// Throws `invalidArgument` for `field` where nothing may be mounted.
    func checkMountable(field: String) throws(CordonError) {
        guard isPlain, !["/proc", "/sys", "/dev"].contains(where: { lies(in: $0) }) else {
            throw .invalid(
                field: field, value: text,
                rule: "an absolute path without empty, . and .. components, not /, nor in /proc, /sys or /dev")
        }
    }

    /// Whether it is that directory, or below it.
    func lies(in directory: String) -> Bool { text == directory || text.utf8.starts(with: (directory + "/").utf8) }
}
