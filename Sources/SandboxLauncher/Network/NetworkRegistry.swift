import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// What instances on a host share: which has which block of addresses, and which settings of the host's
/// were changed for all of them.
///
/// Blocks are claimed as blocks of ids are: by files, locked while their launcher lives, that name its run
/// directory. A setting's file holds what it was before, and is locked, shared, by all who need it changed:
/// the last one puts it back.
final class NetworkRegistry {
    private let directory: Directory
    private let owner: String
    private var blockLock: SharedDescriptor?
    private var settings: [String: SharedDescriptor] = [:]

    init(owner: String, path: String = "/run/cordon/networks") throws {
        mkdir("/run/cordon", 0o755)
        mkdir(path, 0o755)
        directory = try Directory(path: path)
        self.owner = owner
    }

    // MARK: Blocks

    /// Claims a block of the pool that no other instance has and no route of the host leads into; the one
    /// that this instance had, if it can be had again.
    func claimBlock(of pool: AddressRange, avoiding taken: [AddressRange]) throws -> AddressRange {
        let count = UInt128(1) << UInt128(max(0, NetworkPlace.blockPrefix - pool.prefix))
        let size = UInt128(1) << UInt128(32 - NetworkPlace.blockPrefix)
        let blocks = (0..<count).compactMap {
            AddressRange(IPAddress(.v4, pool.address.number + $0 * size), prefix: NetworkPlace.blockPrefix)
        }
        let mine = blocks.filter { (try? directory.read(Self.name($0))) == Array(owner.utf8) }
        for block in mine + blocks where !taken.contains(where: { $0.overlaps(block) }) {
            if try claim(Self.name(block)) { return block }
        }
        throw Failure(
            .failedPrecondition,
            "no block of network_pool \(pool) is free: other instances have it, or routes of the host lead into it")
    }

    private static func name(_ block: AddressRange) -> String { "block-\(block.address)" }

    private func claim(_ name: String) throws -> Bool {
        let file = try directory.open(name, O_RDWR | O_CREAT, mode: 0o644)
        let holder = try directory.read(name) ?? []
        guard cordon_lock_exclusive(file.raw, false) == 0 else { return false }
        if holder != Array(owner.utf8), try isInUse(holder) { return false }
        try check(ftruncate(file.raw, 0), "ftruncate", name)
        try Array(owner.utf8).withUnsafeBytes { try writeAll($0, to: file.raw) }
        blockLock = SharedDescriptor(file)
        return true
    }

    /// Whether the instance that a block names still has sandboxes.
    private func isInUse(_ owner: [UInt8]) throws -> Bool {
        guard !owner.isEmpty else { return false }
        do {
            return try !Directory(path: "\(String(decoding: owner, as: UTF8.self))/slots").entries().isEmpty
        } catch { return error.errno != ENOENT }
    }

    // MARK: Settings

    /// Whether a switch of the host's would be off without the instances.
    func isOff(_ path: String) throws -> Bool {
        guard let now = try KernelFile.read(path) else { throw SystemCallError("open", path, errno: ENOENT) }
        let before = try directory.read(Self.name(ofSetting: path)) ?? []
        return now != "1" || !before.isEmpty
    }

    /// Turns a switch on that is off, for as long as any instance needs it.
    func turnOn(_ path: String) throws {
        guard let now = try KernelFile.read(path) else { throw SystemCallError("open", path, errno: ENOENT) }
        if settings[path] == nil {
            let name = Self.name(ofSetting: path)
            let file = try directory.open(name, O_RDWR | O_CREAT, mode: 0o644)
            try check(cordon_lock_shared(file.raw), "flock", name)
            if try (directory.read(name) ?? []).isEmpty {
                // What it was is on disk before it is something else.
                try Array(now.utf8).withUnsafeBytes { try writeAll($0, to: file.raw) }
            }
            settings[path] = SharedDescriptor(file)
        }
        if now != "1" { try KernelFile.write("1", to: path) }
    }

    private static func name(ofSetting path: String) -> String {
        String(path.map { $0 == "/" ? "," : $0 })
    }

    /// Lets go of everything: settings that nobody else needs are as they were.
    func release() {
        for (path, file) in settings {
            let name = Self.name(ofSetting: path)
            guard cordon_lock_exclusive(file.raw, false) == 0 else { continue }
            if let before = try? directory.read(name), !before.isEmpty {
                try? KernelFile.write(String(decoding: before, as: UTF8.self), to: path)
            }
            try? directory.unlink(name)
        }
        settings = [:]
        if let file = blockLock { _ = ftruncate(file.raw, 0) }
        blockLock = nil
    }
}
