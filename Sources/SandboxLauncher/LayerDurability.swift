import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// When a layer is safe from a loss of power. From the death of any process it is once it has its name.
enum LayerDurability {
    /// Before it has its name, and with it these, which it may stand on.
    case atOnce(with: Set<LayerName> = [])
    /// A little later (`Launcher+Durability`). Until then it counts for this start of the machine alone.
    case soon(bootID: String)

    /// The file that a layer has once it is on disk, where that was not waited for as it was made.
    static let mark = "durable"
    /// In the place of a boot id: nobody knows what is on disk, and nobody ever will.
    private static let doubt = "doubtful"

    /// Gives a layer that is whole, in its temporary directory, its facts and its name.
    func finish(_ layer: LayerName, _ facts: LayerFacts, in layers: Directory) throws {
        let temporary = LayerMaking.temporary(layer)
        let directory = try layers.directory(temporary)
        switch self {
        case .atOnce(let others):
            try directory.replace(LayerRecord.name, with: LayerRecord(facts).record)
            try Self.sync(others, in: layers)
            try layers.move(temporary, to: layers, as: layer.text)
            try check(fsync(layers.raw), "fsync", "layers")
        case .soon(let bootID):
            try directory.replace(LayerRecord.name, with: LayerRecord(facts, unsyncedSince: bootID).record)
            try layers.move(temporary, to: layers, as: layer.text)
        }
    }

    /// Waits until all that was written to their file system is on disk, and then marks these.
    static func sync(_ names: Set<LayerName>, in layers: Directory) throws {
        do { try check(cordon_sync_file_system(layers.raw), "syncfs", "layers") } catch {
            // What could not be written isn't tried again by the kernel, nor told of a second time (syncfs(2)).
            for name in names { try? giveUp(name, in: layers) }
            throw error
        }
        var failure: (any Error)?
        for name in names {
            do { try setMark(name, in: layers) } catch {
                // It was removed meanwhile.
                if (error as? SystemCallError)?.errno != ENOENT { failure = error }
            }
        }
        if let failure { throw failure }
    }

    private static func setMark(_ name: LayerName, in layers: Directory) throws {
        let directory = try layers.directory(name.text)
        // The sync that failed was another one: it alone has heard of it.
        guard try directory.read(LayerRecord.name).map({ try LayerRecord(record: $0) })?.unsyncedSince != doubt else {
            return
        }
        let file = try directory.open(mark, O_WRONLY | O_CREAT, mode: 0o600)
        try check(fsync(file.raw), "fsync", name.text)
        try check(fsync(directory.raw), "fsync", name.text)
        withExtendedLifetime(directory) {}
    }

    private static func giveUp(_ name: LayerName, in layers: Directory) throws {
        let directory = try layers.directory(name.text)
        guard var record = try directory.read(LayerRecord.name).map({ try LayerRecord(record: $0) }) else { return }
        record.unsyncedSince = doubt
        try directory.replace(LayerRecord.name, with: record.record)
    }

    /// What can be said of a layer that somebody else made.
    enum State {
        case durable
        /// Whole, and not marked yet.
        case fresh
        /// Power was lost before it was on disk: some of it may be missing.
        case lost
    }

    /// Throws for one of which nothing can be said.
    static func state(of directory: Directory, bootID: String) throws -> State {
        if directory.exists(mark) { return .durable }
        // Of a file that never came to the disk its name is left, if that, and no content.
        guard let bytes = try directory.read(LayerRecord.name), bytes.contains(where: { $0 != 0 }) else { return .lost }
        switch try LayerRecord(record: bytes).unsyncedSince {
        case nil: return .durable
        case bootID: return .fresh
        default: return .lost
        }
    }
}
