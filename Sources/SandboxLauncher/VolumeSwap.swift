import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Puts another mount of a volume in the place of one, in a process of its own; the sandbox stands still meanwhile.
struct VolumeSwap {
    /// A file in the new one's storage, with the mount's id: it has taken the place.
    static let marker = "shown"

    let making: MountMaking
    /// What is shown now, where it can be written to.
    let old: VolumeMaking?
    let oldID: UInt64
    let group: ControlGroup
    let namespace: SharedDescriptor

    /// The new mount's id; nil where something was written that isn't published. Throws `failedPrecondition` while
    /// something is open there.
    func run() throws -> UInt64? {
        try MountMaking.preparePrivately()
        let made = try making.overlay()
        try LayerMaking.standStill(group)
        if let old, try VolumeMaking.areThere(old) { return nil }
        let storage = try Directory(path: "\(making.slot)/\(making.storage)")
        let path = making.mount.path
        try check(cordon_setns(namespace.raw, cordon_clone_newns), "setns", "mount")
        // From here on it goes through to the end, whoever is killed: the sandbox is never left without the volume.
        _ = cordon_set_parent_death_signal(0)
        _ = alarm(0)
        try MountMaking.detach(path, id: oldID)
        let target = try MountMaking.directory(path.text)
        try check(cordon_move_mount(made.raw, target.raw, ""), "move_mount", path.text)
        let id = cordon_mount_id(made.raw, "")
        try storage.replace(Self.marker, with: Array("\(id)".utf8))
        return id
    }
}

extension LayerName {
    /// Where a name is asked for that stands for nothing.
    static let none: LayerName = {
        guard let name = LayerName("none") else { preconditionFailure("a name that is one") }
        return name
    }()
}

/// Makes one layer of several, in a process of its own.
struct LayerMerging {
    let layer: LayerName
    /// Lowest first.
    let merged: [LayerName]
    let layers: String
    let empty: Directory
    let reserve: UInt64

    /// Makes the layer out of its temporary directory, which is there.
    func run() throws {
        try MountMaking.preparePrivately()
        let all = try Directory(path: layers)
        // One mount of all: a file can be given another name within one mount alone (link(2)).
        let mount = try Mount.clone("", below: all.raw)
        try Mount.set([.noSetuid, .noDevices, .noExecution], of: mount, subject: "layers")
        func open(_ name: String) throws -> SharedDescriptor {
            SharedDescriptor(
                Descriptor(
                    owning: try check(cordon_open(mount.raw, "\(name)/root", O_RDONLY | O_DIRECTORY, 0), "open", name)))
        }
        let target = try open(LayerMaking.temporary(layer))
        let sources = try merged.reversed().map { try open($0.text) }
        let room = try LayerMaking.freeBytes(at: all, reserve: reserve)
        // The walk has descriptors alone.
        let facts = try withExtendedLifetime((target, sources)) {
            try ConfinedWalk(empty: empty).run(reaching: [target.raw] + sources.map(\.raw)) {
                var merge = TreeMerge(mostBytes: room)
                try merge.merge(sources.map(\.raw), to: target.raw)
                return merge.summary
            }
        }
        try LayerDurability.atOnce().finish(layer, facts, in: all)
    }
}
