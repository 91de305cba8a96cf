import CLinux
import Glibc

/// How layers are given to overlayfs.
public enum OverlayMethod: UInt8, Sendable, CaseIterable {
    /// As descriptors of detached clones (`lowerdir+`; Linux 6.13 and later).
    case descriptors = 1
    /// As paths of clones that are attached for the moment of the mount (works from 5.19 on).
    case attachedClones = 2
}

/// Builds overlay mounts (overlayfs, Documentation/filesystems/overlayfs.rst) without following
/// a path that the sandbox could have made.
public struct OverlayBuilder {
    public let method: OverlayMethod
    /// A directory of our own in which the fallback makes its attachment points; private to this
    /// mount namespace.
    public let scratch: Directory

    /// Makes the attachment points, with the ids of this moment: they are ours, not the sandbox's.
    public init(method: OverlayMethod, scratch: Directory, mostLowers: Int) throws(SystemCallError) {
        self.method = method
        self.scratch = scratch
        guard method == .attachedClones else { return }
        for name in (0..<mostLowers).map({ "l\($0)" }) + ["up", "merged"] { try scratch.make(name, mode: 0o755) }
    }

    /// An overlay of `lowers` (topmost first), each a detached mount or a directory in one, and a
    /// writable directory's `u` and `w` when there is one. Not attached anywhere.
    ///
    /// The caller's file system ids and capabilities become the overlay's own. Its working directory may change.
    public func overlay(
        lowers: [SharedDescriptor], upper: SharedDescriptor?
    ) throws(SystemCallError) -> Descriptor {
        switch method {
        case .descriptors: try byDescriptors(lowers, upper)
        case .attachedClones: try byAttachedClones(lowers, upper)
        }
    }

    /// Options that hold for every overlay: a lower directory can be renamed; nothing is shared
    /// between sandboxes by file handle; no copy-up without data.
    private static let options: KeyValuePairs = ["redirect_dir": "on", "metacopy": "off", "index": "off"]

    private func byDescriptors(
        _ lowers: [SharedDescriptor], _ upper: SharedDescriptor?
    ) throws(SystemCallError) -> Descriptor {
        let context = try FileSystemContext("overlay")
        for lower in lowers { try context.descriptor("lowerdir+", lower.raw) }
        if let upper {
            for (key, name) in [("upperdir", "u"), ("workdir", "w")] {
                let directory = try check(cordon_open_handle(upper.raw, name), "open", name)
                let descriptor = Descriptor(owning: directory)
                try context.descriptor(key, descriptor.raw)
            }
            try context.flag("volatile")
            for (key, value) in Self.options { try context.string(key, value) }
        }
        return try context.mount(.hostile)
    }

    private func byAttachedClones(
        _ lowers: [SharedDescriptor], _ upper: SharedDescriptor?
    ) throws(SystemCallError) -> Descriptor {
        // All options must fit into one page (mount(2)): names are relative, and as short as can be.
        try check(fchdir(scratch.raw), "fchdir", "scratch")
        var attached: [String] = []
        defer {
            for name in attached.reversed() { _ = cordon_detach(name) }
        }
        func attach(_ mount: Int32, _ name: String) throws(SystemCallError) -> String {
            try check(cordon_move_mount(mount, scratch.raw, name), "move_mount", name)
            attached.append(name)
            return name
        }
        var lowerPaths: [String] = []
        for (index, lower) in lowers.enumerated() { lowerPaths.append(try attach(lower.raw, "l\(index)")) }
        var options = "lowerdir=\(lowerPaths.joined(separator: ":"))"
        if let upper {
            let path = try attach(upper.raw, "up")
            options += ",upperdir=\(path)/u,workdir=\(path)/w,volatile"
            for (key, value) in Self.options { options += ",\(key)=\(value)" }
        }
        try check(cordon_classic_overlay("merged", options), "mount", "overlay")
        attached.append("merged")
        return try Mount.clone("merged", below: scratch.raw)
    }
}
