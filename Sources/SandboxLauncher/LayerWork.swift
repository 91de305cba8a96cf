import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// What a layer is made of, and who waits for it.
struct LayerKeeping {
    let layer: LayerName
    var answers: [(Result<LayerFacts, Failure>) -> Void]
}

/// A process that makes a layer: it ends with 0 when the layer is there, under its name.
final class LayerWork {
    let layer: LayerName
    /// The sandbox that stands still meanwhile.
    let frozen: Slot?
    let answers: [(Result<LayerFacts, Failure>) -> Void]
    /// Called where the process found that there is nothing to make a layer of.
    let onNothing: (() -> Void)?

    init(
        layer: LayerName, frozen: Slot?, answers: [(Result<LayerFacts, Failure>) -> Void],
        onNothing: (() -> Void)? = nil
    ) {
        self.layer = layer
        self.frozen = frozen
        self.answers = answers
        self.onNothing = onNothing
    }
}

/// What is known of a layer, in its directory.
struct LayerRecord: WireCodable {
    static let name = "facts"
    static let failureName = "failure"
    var facts: LayerFacts
    /// The machine's start in which it was made without waiting for the disk; nil where that was waited for.
    var unsyncedSince: String?

    init(_ facts: LayerFacts, unsyncedSince: String? = nil) {
        self.facts = facts
        self.unsyncedSince = unsyncedSince
    }

    func encode(into writer: inout WireWriter) {
        LayerMade(facts).encode(into: &writer)
        writer.put(unsyncedSince ?? "")
    }

    init(from reader: inout WireReader) throws(WireError) {
        facts = try LayerMade(from: &reader).facts
        guard reader.remaining > 0 else { return }
        let text = try reader.string()
        unsyncedSince = text.isEmpty ? nil : text
    }
}

/// The making of one layer, in a process of its own (`Launcher+Layers`).
struct LayerMaking {
    private static let patience = 5_000
    /// For how long a sandbox stands still at most, in seconds: what takes longer to copy can't be kept.
    static let longestStandstill: UInt32 = 120

    /// One tree to make of another.
    struct Tree {
        /// The layer's part: `root` or `usr`.
        let name: String
        /// nil: it has been moved there already.
        let source: Directory?
        /// What of the source is wanted: what these have touched; everything without any.
        var layers: [Directory] = []
    }

    let layer: LayerName
    let layers: Directory
    /// An empty directory to live in.
    let empty: Directory
    let group: ControlGroup?
    let trees: [Tree]
    /// What every owner's id is lessened by.
    let idOffset: UInt32
    /// What the host's `/usr` that it lies on is known by.
    let hostPrint: String?
    /// Bytes of the disk that are left free.
    let reserve: UInt64
    let durability: LayerDurability

    static func temporary(_ layer: LayerName) -> String { ".new-\(layer)" }

    /// Makes the layer out of its temporary directory, which is there: copied, as durable as is wanted, under its name.
    func run() throws {
        let directory = try layers.directory(Self.temporary(layer))
        if let group { try Self.standStill(group) }
        let end = cordon_boottime_ns() + UInt64(Self.longestStandstill) * 1_000_000_000
        var facts = LayerFacts(bytes: 0, entries: 0)
        for tree in trees { facts.add(try confined(tree, in: directory, until: group == nil ? nil : end)) }
        facts.hostPrint = hostPrint
        if let group { try? group.freeze(false) }
        try durability.finish(layer, facts, in: layers)
    }

    /// Waits until nothing in the sandbox moves any more.
    static func standStill(_ group: ControlGroup) throws {
        try group.freeze(true)
        for attempt in 0..<Self.patience {
            if group.isFrozen() { return }
            // Most stand still at once.
            usleep(attempt < 20 ? 50 : 1000)
        }
        throw Failure(.deadlineExceeded, "the sandbox's processes could not be stopped: one waits in the kernel")
    }

    /// Copies one tree, or looks through one that is there, in a process that reaches nothing else.
    private func confined(_ tree: Tree, in directory: Directory, until end: UInt64?) throws -> LayerFacts {
        let left = end.map { UInt32(($0 - min($0, cordon_boottime_ns())) / 1_000_000_000) }
        let restricted: MountAttributes = [.noSetuid, .noDevices, .noExecution]
        let target = try Mount.clone(tree.name, below: directory.raw)
        try Mount.set(restricted, of: target, subject: tree.name)
        let top = SharedDescriptor(
            Descriptor(owning: try check(cordon_open(target.raw, ".", O_RDONLY | O_DIRECTORY, 0), "open", "layer")))
        let source = try tree.source.map { try Self.readable($0) }
        let layers = try tree.layers.map { try Self.readable($0) }
        let copying = TreeCopy(idOffset: idOffset, mostBytes: try freeBytes())
        let walk = ConfinedWalk(empty: empty)
        let reached = [top.raw] + (source.map { [$0.raw] } ?? []) + layers.map(\.raw)
        // The walk has descriptors alone.
        return try withExtendedLifetime((top, source, layers)) {
            try walk.run(reaching: reached, within: left) {
                if let source, !layers.isEmpty {
                    var flattening = TreeFlattening(copying)
                    try flattening.flatten(layers.map(\.raw), merged: source.raw, to: top.raw)
                    return flattening.summary
                }
                if let source {
                    var copy = copying
                    try copy.copy(source.raw, to: top.raw)
                    return copy.summary
                }
                var survey = TreeSurvey()
                try survey.survey(top.raw)
                return survey.summary
            }
        }
    }

    /// What a walk says of its end may hold names that a sandbox chose, of any length.
    static func shown(_ bytes: [UInt8]) -> String {
        var text = ""
        for scalar in String(decoding: bytes.prefix(500), as: UTF8.self).unicodeScalars {
            text +=
                scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
                ? scalar.escaped(asASCII: true) : String(scalar)
        }
        return bytes.count > 500 ? text + "…" : text
    }

    /// What the disk has beside its reserve.
    private func freeBytes() throws -> UInt64 { try Self.freeBytes(at: layers, reserve: reserve) }

    static func freeBytes(at layers: Directory, reserve: UInt64) throws -> UInt64 {
        var status = statvfs()
        try check(fstatvfs(layers.raw, &status), "statvfs", "layers")
        let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
        return free - min(free, reserve)
    }

    /// The directory without a way up: a clone of its mount where that is in our namespace.
    static func readable(_ directory: Directory) throws -> Directory {
        guard let clone = try? Mount.clone("", below: directory.raw) else { return directory }
        try Mount.set([.noSetuid, .noDevices, .noExecution, .readOnly], of: clone, subject: directory.name)
        return Directory(
            owning: Descriptor(owning: try check(cordon_open(clone.raw, ".", O_RDONLY | O_DIRECTORY, 0), "open")),
            name: directory.name)
    }
}

extension LayerFacts {
    init(_ summary: TreeCopy.Summary) {
        self.init(
            bytes: summary.bytes, entries: summary.entries, leftOut: summary.leftOut,
            leftOutCount: summary.leftOutCount)
    }

    mutating func add(_ other: LayerFacts) {
        bytes += other.bytes
        entries += other.entries
        leftOut = Array((leftOut + other.leftOut).prefix(100))
        leftOutCount += other.leftOutCount
    }
}
