import Glibc
import LinuxSystem

/// What lies below the layers of an image that brings its own `/usr`: directories to mount on, and a `/tmp`.
enum BareRoot {
    private static let name = "bare"

    /// The name of its directory below `images`, made when it isn't there yet.
    static func prepare(in images: Directory) throws -> String {
        guard !images.exists(name) else { return name }
        let temporary = ".\(name)"
        var removal = TreeRemoval(in: images)
        try removal.remove(temporary)
        let old = umask(0)
        defer { umask(old) }
        let root = try images.make(temporary, mode: 0o755).make("root", mode: 0o755)
        for (path, mode) in [("dev", 0o755), ("proc", 0o555), ("sys", 0o555), ("tmp", 0o1777)] as [(String, mode_t)] {
            try root.make(path, mode: mode)
            try check(fchmodat(root.raw, path, mode, 0), "chmod", path)
        }
        try images.move(temporary, to: images, as: name)
        return name
    }
}
