import CLinux
import Glibc
import LinuxSystem
import SandboxModel

/// The image `host`: a skeleton of `/` with an `/etc` and `/var` of its own, made from a list, over
/// which each sandbox sees the host's `/usr`. Nothing of the host that isn't on the list gets in.
package struct HostImage {
    /// Copied when they are there and everybody may read them. Never keys, credentials or shadow.
    private static let etc = [
        "adduser.conf", "alternatives", "bash.bashrc", "bindresvport.blacklist", "ca-certificates",
        "ca-certificates.conf", "debconf.conf", "debian_version", "default/locale", "default/useradd", "deluser.conf",
        "dpkg", "emacs", "environment", "fonts", "gai.conf", "host.conf", "inputrc", "issue", "issue.net", "java",
        "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
        "libaudit.conf", "libnl-3", "lighttpd", "locale.alias", "locale.gen", "localtime", "login.defs", "lsb-release",
        "magic", "magic.mime", "manpath.config", "maven", "mime.types", "mke2fs.conf", "motd", "nanorc", "networks",
        "nsswitch.conf", "os-release", "pam.conf", "pam.d", "perl", "profile", "profile.d", "protocols", "python3",
        "python3.11", "python3.12", "python3.13", "rpc", "security", "selinux/semanage.conf", "services", "shells",
        "skel", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone", "ucf.conf", "vim", "wgetrc", "xattr.conf",
    ]
    private static let apt = [
        "apt.conf.d", "keyrings", "preferences.d", "sources.list", "sources.list.d", "trusted.gpg.d",
    ]
    private static let variable = [
        "lib/dpkg/alternatives", "lib/dpkg/available", "lib/dpkg/diversions", "lib/dpkg/info", "lib/dpkg/parts",
        "lib/dpkg/statoverride", "lib/dpkg/status", "lib/dpkg/triggers", "lib/dpkg/updates", "lib/apt/extended_states",
        "lib/pam", "lib/ucf", "lib/python", "cache/debconf/config.dat", "cache/debconf/templates.dat",
        "lib/ca-certificates-java", "lib/systemd/deb-systemd-helper-enabled",
    ]
    private static let emptyDirectories: [(String, mode_t)] = [
        ("dev", 0o755), ("home", 0o755), ("media", 0o755), ("mnt", 0o755), ("opt", 0o755), ("proc", 0o555),
        ("root", 0o700), ("run", 0o755), ("run/lock", 0o1777), ("srv", 0o755), ("sys", 0o555), ("tmp", 0o1777),
        ("usr", 0o755), ("var", 0o755), ("var/backups", 0o755), ("var/cache", 0o755), ("var/cache/apt", 0o755),
        ("var/cache/apt/archives", 0o755), ("var/cache/apt/archives/partial", 0o700), ("var/cache/debconf", 0o755),
        ("var/cache/ldconfig", 0o700), ("var/lib", 0o755), ("var/lib/apt", 0o755), ("var/lib/apt/lists", 0o755),
        ("var/lib/apt/lists/partial", 0o700), ("var/lib/dpkg", 0o755), ("var/lib/misc", 0o755), ("var/local", 0o755),
        ("var/log", 0o755), ("var/log/apt", 0o755), ("var/mail", 0o755), ("var/opt", 0o755), ("var/spool", 0o755),
        ("var/tmp", 0o1777), ("etc", 0o755), ("etc/apt", 0o755), ("etc/apt/apt.conf.d", 0o755),
        ("etc/apt/preferences.d", 0o755), ("etc/apt/sources.list.d", 0o755), ("etc/apt/trusted.gpg.d", 0o755),
        ("etc/default", 0o755), ("etc/init.d", 0o755), ("etc/opt", 0o755), ("etc/ssl", 0o755), ("etc/selinux", 0o755),
        ("etc/cron.daily", 0o755), ("etc/logrotate.d", 0o755), ("etc/systemd", 0o755), ("etc/systemd/system", 0o755),
    ]

    /// What the host looked like when the image was made: packages, top of `/usr`, options.
    package static func fingerprint(hideUsrLocal: Bool) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ value: UInt64) {
            for shift in stride(from: 0, to: 64, by: 8) {
                hash = (hash ^ (value >> UInt64(shift) & 0xff)) &* 0x100_0000_01b3
            }
        }
        mix(3)
        mix(hideUsrLocal ? 1 : 0)
        for path in [
            "/var/lib/dpkg/status", "/usr", "/usr/bin", "/usr/lib", "/usr/sbin", "/etc/alternatives", "/etc/passwd",
            "/etc/group", "/etc/ld.so.cache", "/etc/ssl/certs",
        ] {
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            mix(UInt64(bitPattern: Int64(status.st_mtim.tv_sec)))
            mix(UInt64(bitPattern: Int64(status.st_mtim.tv_nsec)))
            mix(UInt64(status.st_ino))
        }
        return String(hash, radix: 16)
    }

    /// The name of the image's directory below `images`, made when it isn't there yet.
    package static func prepare(in images: Directory, hideUsrLocal: Bool) throws -> String {
        let name = "host-\(fingerprint(hideUsrLocal: hideUsrLocal))"
        if images.exists(name) { return name }
        let temporary = ".\(name)"
        var removal = TreeRemoval(in: images)
        try removal.remove(temporary)
        let image = try images.make(temporary, mode: 0o755)
        try HostImage(image: image).build(hideUsrLocal: hideUsrLocal)
        sync(image)
        try images.move(temporary, to: images, as: name)
        return name
    }

    private static func sync(_ directory: Directory) { cordon_sync_file_system(directory.raw) }

    private let image: Directory

    private func build(hideUsrLocal: Bool) throws {
        let old = umask(0)
        defer { umask(old) }
        let root = try image.make("root", mode: 0o755)
        for (path, mode) in Self.emptyDirectories {
            try root.make(path, mode: mode)
            try check(fchmodat(root.raw, path, mode, 0), "chmod", path)
        }
        try linkMergedDirectories(root)
        for (name, target) in [("var/run", "/run"), ("var/lock", "/run/lock"), ("etc/mtab", "../proc/self/mounts")] {
            try check(symlinkat(target, root.raw, name), "symlink", name)
        }
        try copy(
            Self.etc.map { "etc/\($0)" } + Self.apt.map { "etc/apt/\($0)" } + Self.variable.map { "var/\($0)" },
            to: root)
        try writeAccounts(root)
        for (name, text) in HostFiles.all { try write(text, "etc/\(name)", root) }
        for name in ["etc/fstab", "etc/machine-id"] { try write("", name, root) }
        try buildMask(hideUsrLocal: hideUsrLocal)
    }

    /// `/bin`, `/lib` and the like point into `/usr`, as on the host.
    private func linkMergedDirectories(_ root: Directory) throws {
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            var target = [CChar](repeating: 0, count: 256)
            let count = readlink("/\(name)", &target, 255)
            guard count > 0 else {
                guard access("/\(name)", F_OK) != 0 else {
                    throw SystemCallError("host image", "/\(name) is not a link into /usr", errno: ENOTSUP)
                }
                continue
            }
            let text = String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            try check(symlinkat(text, root.raw, name), "symlink", name)
        }
    }

    /// The layer above the host's `/usr`: hides `/usr/local` where that is asked for.
    private func buildMask(hideUsrLocal: Bool) throws {
        let mask = try image.make("mask", mode: 0o755)
        guard hideUsrLocal else { return }
        try mask.make("local", mode: 0o755)
        let local = try mask.directory("local")
        try check(fsetxattr(local.raw, "trusted.overlay.opaque", "y", 1, 0), "setxattr", "opaque")
    }

    // MARK: Copying

    private func copy(_ paths: [String], to root: Directory) throws {
        let host = try Directory(path: "/")
        for path in paths {
            var status = stat()
            guard fstatat(host.raw, path, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            try makeParents(of: path, root)
            try copy(path, status, from: host, to: root)
        }
    }

    private func makeParents(of path: String, _ root: Directory) throws {
        var parent = ""
        for part in path.split(separator: "/").dropLast() {
            parent += parent.isEmpty ? String(part) : "/\(part)"
            try root.make(parent, mode: 0o755)
        }
    }

    private func copy(_ path: String, _ status: stat, from host: Directory, to root: Directory) throws {
        // Only what everybody on the host may read.
        switch status.st_mode & S_IFMT {
        case S_IFLNK:
            var target = [CChar](repeating: 0, count: 4096)
            let count = try check(readlinkat(host.raw, path, &target, 4095), "readlink", path)
            let text = String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if symlinkat(text, root.raw, path) < 0 && errno != EEXIST { throw SystemCallError("symlink", path) }
        case S_IFDIR:
            guard status.st_mode & 0o005 == 0o005 else { return }
            let directory = try root.make(path, mode: status.st_mode & 0o777)
            try check(fchmod(directory.raw, status.st_mode & 0o777), "chmod", path)
            for name in try host.directory(path).entries() {
                var child = stat()
                guard fstatat(host.raw, "\(path)/\(name)", &child, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
                try copy("\(path)/\(name)", child, from: host, to: root)
            }
        case S_IFREG:
            guard status.st_mode & 0o004 != 0 else { return }
            let source = try host.open(path, O_RDONLY)
            let content = try readAll(source.raw, limit: 256 << 20, name: path)
            if path.hasPrefix("etc/"), Self.holdsCredentials(content) { return }
            let target = try root.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: UInt64(status.st_mode & 0o777))
            try content.withUnsafeBytes { try writeAll($0, to: target.raw) }
        default: return
        }
    }

    /// Package sources, proxies and the like may carry a user and a password in their addresses.
    package static func holdsCredentials(_ content: [UInt8]) -> Bool {
        var index = content.startIndex
        let scheme = Array("://".utf8)
        while index + scheme.count < content.count {
            guard content[index] == scheme[0], content[index...].starts(with: scheme) else {
                index += 1
                continue
            }
            index += scheme.count
            // RFC 3986: what stands before an "@" in the authority is the user's.
            let authority = content[index...].prefix { $0 > 0x20 && !"/?#\"'<>".utf8.contains($0) }
            if authority.contains(UInt8(ascii: "@")) { return true }
        }
        return false
    }

    // MARK: Accounts

    /// The host's system accounts, without people, passwords or keys.
    private func writeAccounts(_ root: Directory) throws {
        func systemLines(_ path: String, idField: Int) throws -> [[Substring]] {
            (try KernelFile.read(path) ?? "").split(separator: "\n")
                .map { $0.split(separator: ":", omittingEmptySubsequences: false) }
                .filter { $0.count > idField && (Int($0[idField]).map { $0 < 1000 || $0 == 65_534 } ?? false) }
        }
        let users = try systemLines("/etc/passwd", idField: 2).filter { $0.count == 7 }
        let groups = try systemLines("/etc/group", idField: 2).filter { $0.count == 4 }
        let passwd = users.map { fields in
            fields[0] == "root"
                ? "root:x:0:0:root:/root:/bin/bash" : ([fields[0], "x"] + fields[2...]).joined(separator: ":")
        }
        try write(passwd.joined(separator: "\n") + "\n", "etc/passwd", root)
        try write(groups.map { "\($0[0]):x:\($0[2]):" }.joined(separator: "\n") + "\n", "etc/group", root)
        try write(
            users.map { "\($0[0]):*:19000:0:99999:7:::" }.joined(separator: "\n") + "\n", "etc/shadow", root,
            mode: 0o640)
        try write(groups.map { "\($0[0]):*::" }.joined(separator: "\n") + "\n", "etc/gshadow", root, mode: 0o640)
    }

    private func write(_ text: String, _ path: String, _ root: Directory, mode: UInt64 = 0o644) throws {
        let file = try root.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        try Array(text.utf8).withUnsafeBytes { try writeAll($0, to: file.raw) }
    }
}
