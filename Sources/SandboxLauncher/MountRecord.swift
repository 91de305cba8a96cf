import SandboxModel
import ShimProtocol

/// What is mounted at one path of a sandbox.
struct ShownLayers: Hashable {
    /// The mount's id (statx(2)); 0 while it is being made.
    var id: UInt64
    var layers: [LayerName]
    /// The directory of its writable layer, below the slot's `mounts`; empty in records of before it was known.
    var storage = ""
    var isReadOnly = false
    var isVolume = false
    /// Whether a program outside serves it, and no layers are shown.
    var isBucket = false
    var subPath: VolumePath?
    /// The storage of what is about to take its place, and has once that says so.
    var next: Next?

    struct Next: Hashable {
        var storage: String
        var layers: [LayerName]
    }

    init(id: UInt64, layers: [LayerName]) {
        self.id = id
        self.layers = layers
    }

    init(bucketWithID id: UInt64) {
        self.init(id: id, layers: [])
        isBucket = true
    }

    init(id: UInt64, _ making: MountMaking) {
        self.id = id
        layers = making.mount.layers
        storage = String(making.storage.split(separator: "/").last ?? "")
        isReadOnly = making.mount.isReadOnly
        isVolume = making.mount.isVolume
        subPath = making.mount.subPath
    }

    /// Whether what is written there is kept beyond the sandbox's end.
    var isKept: Bool { isVolume && !isReadOnly && !storage.isEmpty }
}

/// What is mounted in a sandbox, for a launcher's successor.
struct MountRecord: WireCodable {
    var mounts: [FilePath: ShownLayers]

    init(_ mounts: [FilePath: ShownLayers]) { self.mounts = mounts }

    func encode(into writer: inout WireWriter) {
        writer.put(UInt32(mounts.count))
        for (path, shown) in mounts {
            writer.put(path.text)
            writer.put(shown.id)
            writer.put(shown.layers.map(\.text))
        }
        // In the same order; older versions end here.
        for shown in mounts.values {
            writer.put(shown.storage)
            writer.put(shown.isReadOnly)
            writer.put(shown.isVolume)
            writer.put(shown.subPath?.text ?? "")
            writer.put(shown.next?.storage ?? "")
            writer.put(shown.next?.layers.map(\.text) ?? [])
        }
        for shown in mounts.values { writer.put(shown.isBucket) }
    }

    init(from reader: inout WireReader) throws(WireError) {
        var paths: [FilePath] = []
        mounts = [:]
        for _ in 0..<(try reader.integer(UInt32.self)) {
            guard let path = try? FilePath(try reader.string()) else { throw WireError("no path") }
            paths.append(path)
            mounts[path] = ShownLayers(
                id: try reader.integer(), layers: try reader.strings().compactMap { LayerName($0) })
        }
        guard reader.remaining > 0 else { return }
        for path in paths {
            mounts[path]?.storage = try reader.string()
            mounts[path]?.isReadOnly = try reader.bool()
            mounts[path]?.isVolume = try reader.bool()
            mounts[path]?.subPath = try? VolumePath(try reader.string())
            let (storage, layers) = (try reader.string(), try reader.strings().compactMap { LayerName($0) })
            mounts[path]?.next = storage.isEmpty ? nil : ShownLayers.Next(storage: storage, layers: layers)
        }
        guard reader.remaining > 0 else { return }
        for path in paths { mounts[path]?.isBucket = try reader.bool() }
    }
}

/// Whose a writable layer over a volume is, in its directory: what it is found by once its sandbox has ended.
struct LeftRecord: WireCodable {
    static let name = "about"
    /// Writes of before a loss of power may be torn: they are dropped.
    var bootID: String
    var left: LeftWrites
    /// What it lies on.
    var layers: [LayerName]

    init(bootID: String, left: LeftWrites, layers: [LayerName]) {
        self.bootID = bootID
        self.left = left
        self.layers = layers
    }

    func encode(into writer: inout WireWriter) {
        writer.put(bootID)
        writer.put(left)
        writer.put(layers.map(\.text))
    }

    init(from reader: inout WireReader) throws(WireError) {
        bootID = try reader.string()
        left = try reader.value()
        layers = try reader.strings().compactMap { LayerName($0) }
    }
}
