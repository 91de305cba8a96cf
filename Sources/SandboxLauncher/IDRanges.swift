import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Host user and group ids for sandboxes: 65,536 each, from a part of the id space that nothing
/// else uses (above systemd's containers, below 2³¹).
///
/// All instances on a host share it: blocks of ranges are claimed by files under `/run/cordon`,
/// each locked by the launcher and naming its run directory, so that a restarted launcher finds
/// its own again.
package final class IDRanges {
    static let first: UInt32 = 0x7000_0000
    static let width: UInt32 = 65_536
    static let rangesPerBlock: UInt32 = 64
    /// Block 0 is kept for the services' own accounts.
    static let blocks: ClosedRange<UInt32> = 1...62

    private let registry: Directory
    private let owner: String
    private var locks: [UInt32: SharedDescriptor] = [:]
    private var free: Set<UInt32> = []
    private var used: Set<UInt32> = []

    /// `owner` is the instance's run directory.
    package init(owner: String, registry path: String = "/run/cordon/ids") throws {
        mkdir("/run/cordon", 0o755)
        mkdir(path, 0o755)
        registry = try Directory(path: path)
        self.owner = owner
    }

    /// Marks a range as in use: a sandbox that was adopted holds it.
    /// Throws for what can't be one: the record isn't ours, or damaged.
    package func adopt(_ base: UInt32) throws {
        guard base >= Self.first, (base - Self.first) % Self.width == 0,
            Self.blocks.contains((base - Self.first) / (Self.rangesPerBlock * Self.width))
        else { throw Failure(.internal, "\(base) begins no range of ids") }
        let block = (base - Self.first) / (Self.rangesPerBlock * Self.width)
        if locks[block] == nil { _ = try claim(block) }
        free.remove(base)
        used.insert(base)
    }

    /// Takes a range that no living sandbox of any instance has.
    package func take() throws -> UInt32 {
        if free.isEmpty { try claimAnother() }
        guard let base = free.min() else {
            throw Failure(.resourceExhausted, "no user ids are left for another sandbox")
        }
        free.remove(base)
        used.insert(base)
        return base
    }

    /// Gives a range back: no process and no namespace has it any more.
    package func release(_ base: UInt32) {
        guard used.remove(base) != nil else { return }
        free.insert(base)
    }

    private func claimAnother() throws {
        for block in Self.blocks where locks[block] == nil && !Self.isDelegated(block) {
            if try claim(block) { return }
        }
    }

    private func claim(_ block: UInt32) throws -> Bool {
        let name = "block-\(block)"
        let file = try registry.open(name, O_RDWR | O_CREAT, mode: 0o644)
        let mine = try registry.read(name) == Array(owner.utf8)
        // A launcher of ours that was killed has let go of its lock; its sandboxes live on, and
        // only its successor, by name, may take the block.
        guard cordon_lock_exclusive(file.raw, false) == 0 else {
            if mine { throw Failure(.failedPrecondition, "another launcher serves this run directory") }
            return false
        }
        if !mine, try isInUse(try registry.read(name) ?? []) { return false }
        try check(ftruncate(file.raw, 0), "ftruncate", name)
        try Array(owner.utf8).withUnsafeBytes { try writeAll($0, to: file.raw) }
        locks[block] = SharedDescriptor(file)
        for index in 0..<Self.rangesPerBlock {
            let base = Self.first + (block * Self.rangesPerBlock + index) * Self.width
            if !used.contains(base) { free.insert(base) }
        }
        return true
    }

    /// Whether the instance that a block names still has sandboxes.
    private func isInUse(_ owner: [UInt8]) throws -> Bool {
        guard !owner.isEmpty else { return false }
        let slots = "\(String(decoding: owner, as: UTF8.self))/slots"
        do {
            return try !Directory(path: slots).entries().isEmpty
        } catch {
            // Only a directory that is gone says that nothing is left. One that can't be looked into
            // says nothing.
            return error.errno != ENOENT
        }
    }

    /// Whether `/etc/subuid` or `/etc/subgid` gives part of a block to somebody.
    private static func isDelegated(_ block: UInt32) -> Bool {
        let start = UInt64(first) + UInt64(block) * UInt64(rangesPerBlock) * UInt64(width)
        let end = start + UInt64(rangesPerBlock) * UInt64(width)
        for file in ["/etc/subuid", "/etc/subgid"] {
            guard let text = try? KernelFile.read(file) else { continue }
            for line in text.split(separator: "\n") {
                let fields = line.split(separator: ":")
                guard fields.count == 3, let from = UInt64(fields[1]), let count = UInt64(fields[2]) else { continue }
                if from < end && from &+ count > start { return true }
            }
        }
        return false
    }
}
