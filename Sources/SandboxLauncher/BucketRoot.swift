import CLinux
import Glibc
import LinuxSystem

/// The root of a program that serves a bucket: `/usr` and the certificates to read, how names resolve, its settings, and
/// nothing else of the host's.
struct BucketRoot {
    /// An empty directory to make it on, in a mount namespace of one's own.
    let ground: String
    /// What the program's children run to get the device.
    let helper: String
    let user: UInt32

    /// Makes it, and makes it this process's, for good; nothing in it can be changed afterwards.
    func enter(settings: String) throws {
        try Mount.makePrivate()
        let names = ["hosts", "resolv.conf"].map { ($0, (try? KernelFile.read("/etc/\($0)")) ?? nil) }
        let links = Self.links()
        let root = try Mount.make("tmpfs", ["size": "1m", "mode": "755"], attributes: .hostile)
        // Clones of what is there, before it is out of sight.
        let system = try Mount.clone("/usr")
        try Mount.set([.noSetuid, .noDevices, .readOnly], of: system, subject: "/usr")
        let certificates = try Self.certificates()
        let null = try Mount.clone("/dev/null")
        let ours = try ["fusermount", "fusermount3"].map { (name: $0, mount: SharedDescriptor(try program())) }
        try Mount.attach(root, at: AT_FDCWD, ground)
        try check(chdir(ground), "chdir", "root of a bucket's program")
        umask(0o022)
        for name in [
            "usr", "etc", "etc/ssl", "etc/ssl/certs", "dev", "proc", BucketProgram.mountPoint, BucketProgram.helpers,
        ] {
            try check(mkdir(name, 0o755), "mkdir", name)
        }
        for (name, target) in links { try check(symlink(target, name), "symlink", name) }
        try Mount.attach(system, at: AT_FDCWD, "usr")
        if let certificates {
            try check(cordon_move_mount(certificates.raw, AT_FDCWD, "etc/ssl/certs"), "move_mount", "certs")
        }
        let top = Directory(
            owning: Descriptor(owning: try check(cordon_open(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY, 0), "open", "/")),
            name: "/")
        try Self.write("", to: "dev/null", in: top)
        try Mount.attach(null, at: AT_FDCWD, "dev/null")
        for (name, mount) in ours {
            let place = "\(BucketProgram.helpers)/\(name)"
            try Self.write("", to: place, in: top)
            try check(cordon_move_mount(mount.raw, AT_FDCWD, place), "move_mount", name)
        }
        // It looks there for what is mounted already.
        try Self.write("", to: "proc/mounts", in: top)
        for (name, text) in names { if let text { try Self.write(text + "\n", to: "etc/\(name)", in: top) } }
        try Self.write(settings, to: BucketProgram.settings, in: top, mode: 0o400)
        try check(chown(BucketProgram.settings, user, user), "chown", "settings")
        try check(cordon_pivot_root_here(), "pivot_root", "root of a bucket's program")
        try check(cordon_mount_set(AT_FDCWD, "/", MountAttributes.readOnly.rawValue, -1, false), "mount_setattr", "/")
    }

    private func program() throws -> Descriptor {
        let mount = try Mount.clone(helper)
        try Mount.set([.noSetuid, .noDevices, .readOnly], of: mount, subject: "helper")
        return mount
    }

    /// Where the host's root has links to `/usr`, so has this one.
    private static func links() -> [(String, String)] {
        ["bin", "sbin", "lib", "lib32", "lib64", "libx32"].compactMap { name in
            var buffer = [CChar](repeating: 0, count: 256)
            let count = readlink("/\(name)", &buffer, 255)
            guard count > 0 else { return nil }
            return (name, String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }

    /// nil where the host has none in the usual place.
    private static func certificates() throws -> SharedDescriptor? {
        guard let real = realpath("/etc/ssl/certs", nil) else { return nil }
        defer { free(real) }
        let mount = try Mount.clone(String(cString: real))
        try Mount.set([.noSetuid, .noDevices, .readOnly], of: mount, subject: "certificates")
        return SharedDescriptor(mount)
    }

    private static func write(_ text: String, to name: String, in top: Directory, mode: UInt64 = 0o644) throws {
        let file = try top.open(name, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        try Array(text.utf8).withUnsafeBytes { try writeAll($0, to: file.raw) }
    }
}
