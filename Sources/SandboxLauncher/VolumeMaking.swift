import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Makes a layer of what a sandbox has written to a volume, in a process of its own (`Launcher+Volumes`).
struct VolumeMaking {
    /// The exit status that says: there is nothing to make a layer of.
    static let nothing: Int32 = 3
    /// Longer than the kernel's clock for times of change stands still: what is written afterwards has another one.
    private static let clockStep: UInt32 = 12_000

    let layer: LayerName
    /// By path: a mount can only be cloned in the namespace that it is seen in.
    let layers: String
    /// Directories without anything in them (`sys`, `dev`), below all layers.
    let empty: String
    /// The mount's directory: `u`, `stamps`, `scratch`.
    let storage: String
    /// What the writable layer lies on, and what the volume has become; lowest first.
    let base: [LayerName]
    let head: [LayerName]
    /// What stamps tell what was published; nil for nothing.
    let published: LayerName?
    /// The sandbox's, while it runs.
    let group: ControlGroup?
    let isAwaited: Bool
    let method: OverlayMethod
    let reserve: UInt64

    /// Makes the layer out of its temporary directory, which is there; false where there is nothing to make it of.
    func run() throws -> Bool {
        try MountMaking.preparePrivately()
        let (layers, storage) = (try Directory(path: layers), try Directory(path: storage))
        let trees = try Comparison(self, storage)
        let stamps = try storage.directory("stamps")
        let known = try published.flatMap { try stamps.read($0.text, limit: 1 << 30) }.flatMap(TreeStamps.read)
        let walk = ConfinedWalk(empty: try Directory(path: "\(empty)/sys"))
        if group != nil, !isAwaited, try !areThere(trees, since: known, walk) { return false }
        if let group {
            try check(cordon_sync_file_system(storage.raw), "syncfs", "volume")
            try LayerMaking.standStill(group)
            // Pages that a process has mapped tell of their next change once they are on disk.
            try check(cordon_sync_file_system(storage.raw), "syncfs", "volume")
            usleep(Self.clockStep)
        }
        let directory = try layers.directory(LayerMaking.temporary(layer))
        let facts = try copy(trees, since: known, to: directory, stamps, walk, layers)
        if let group { try? group.freeze(false) }
        for name in try stamps.entries() where ![layer.text, published?.text].contains(name) { try stamps.unlink(name) }
        guard facts.entries > 0 else { return false }
        try LayerDurability.atOnce().finish(layer, facts, in: layers)
        return true
    }

    private func areThere(_ trees: Comparison, since known: TreeStamps?, _ walk: ConfinedWalk) throws -> Bool {
        let facts = try withExtendedLifetime(trees) {
            try walk.run(reaching: trees.descriptors) {
                var changes = TreeChanges(since: known)
                var summary = TreeCopy.Summary()
                if changes.areThere(in: trees.trees) { summary.entries = 1 }
                return summary
            }
        }
        return facts.entries > 0
    }

    private func copy(
        _ trees: Comparison, since known: TreeStamps?, to directory: Directory, _ stamps: Directory,
        _ walk: ConfinedWalk, _ layers: Directory
    ) throws -> LayerFacts {
        let target = try Mount.clone("root", below: directory.raw)
        try Mount.set([.noSetuid, .noDevices, .noExecution], of: target, subject: "root")
        let top = SharedDescriptor(
            Descriptor(owning: try check(cordon_open(target.raw, ".", O_RDONLY | O_DIRECTORY, 0), "open", "layer")))
        let file = SharedDescriptor(try stamps.open(layer.text, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600))
        let room = try LayerMaking.freeBytes(at: layers, reserve: reserve)
        // The walk has descriptors alone.
        return try withExtendedLifetime((trees, top, file)) {
            try walk.run(
                reaching: trees.descriptors + [top.raw, file.raw],
                within: group == nil ? nil : LayerMaking.longestStandstill
            ) {
                var changes = TreeChanges(since: known, mostBytes: room)
                try changes.make(of: trees.trees, at: top.raw).write(to: file.raw)
                // Of changes that others have made too, an empty layer tells that they are known.
                var summary = changes.summary
                if changes.isChanged { summary.entries = max(1, summary.entries) }
                return summary
            }
        }
    }

    /// Whether the writable layer holds what isn't published; the sandbox stands still.
    static func areThere(_ making: VolumeMaking) throws -> Bool {
        let storage = try Directory(path: making.storage)
        let bytes = try making.published.flatMap { try storage.directory("stamps").read($0.text, limit: 1 << 30) }
        return try making.areThere(
            Comparison(making, storage), since: bytes.flatMap(TreeStamps.read),
            ConfinedWalk(empty: Directory(path: "\(making.empty)/sys")))
    }
}

/// The trees that are compared, open.
private struct Comparison {
    private let upper: Directory
    private let base: Directory?
    private let head: Directory?

    init(_ making: VolumeMaking, _ storage: Directory) throws {
        upper = try LayerMaking.readable(try storage.directory("u"))
        base = try Self.shown(making.base, making, storage.directory("scratch").make("base", mode: 0o755))
        head =
            making.head == making.base
            ? base : try Self.shown(making.head, making, storage.directory("scratch").make("head", mode: 0o755))
    }

    var trees: TreeChanges.Trees { TreeChanges.Trees(upper: upper.raw, base: base?.raw, head: head?.raw) }
    var descriptors: [Int32] { [upper.raw] + [base, head].compactMap { $0?.raw } }

    /// What layers show together, read-only and with the ids that are on disk.
    private static func shown(_ names: [LayerName], _ making: VolumeMaking, _ scratch: Directory) throws -> Directory? {
        guard !names.isEmpty else { return nil }
        let (layers, empty) = (try Directory(path: making.layers), try Directory(path: making.empty))
        let builder = try OverlayBuilder(method: making.method, scratch: scratch, mostLowers: names.count + 1)
        var lowers = try names.reversed().map { SharedDescriptor(try Mount.clone("\($0)/root", below: layers.raw)) }
        // An overlay without a writable layer takes two at least.
        lowers.append(SharedDescriptor(try Mount.clone("sys", below: empty.raw)))
        let made = try builder.overlay(lowers: lowers, upper: nil)
        try Mount.set([.noSetuid, .noDevices, .noExecution, .readOnly], of: made, subject: "volume")
        return Directory(
            owning: Descriptor(owning: try check(cordon_open(made.raw, ".", O_RDONLY | O_DIRECTORY, 0), "open")),
            name: "volume")
    }
}
