import ArgumentParser
import CLinux
import Foundation
import Glibc
import LinuxSystem
import ServiceConfiguration

/// The directories and processes of one instance, set up while this process is still root.
struct Installation {
    /// AT_EMPTY_PATH, which Swift doesn't see.
    private static let emptyPath: Int32 = 0x1000

    private let configuration: ServiceConfiguration
    private let account: ServiceAccount

    init(_ checked: CheckedConfiguration) throws {
        guard geteuid() == 0 else {
            throw ValidationError("cordond must be started as root: it starts the launcher, then gives up every right")
        }
        configuration = checked.values
        account = checked.account
    }

    /// Nothing that is in the memory of this process, or of those that it starts, gets into a core file, and no
    /// other process of its account reads it.
    func refuseCores() throws {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        try check(setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none), "setrlimit", "RLIMIT_CORE")
        try check(cordon_set_dumpable(false), "prctl", "dumpable")
    }

    /// Makes the directories, and locks the data directory for this process alone.
    func takeOver() throws -> SharedDescriptor {
        umask(0o022)
        let data = try directory(configuration.dataDirectory, owner: 0, mode: 0o710)
        let state = try data.make("service", mode: 0o700)
        try own(state, owner: account.user, mode: 0o700)
        _ = try directory(configuration.runDirectory, owner: 0, mode: 0o750)
        // Clients look for it beside the data; it is where only the service can write.
        _ = symlinkat("service/credentials.json", data.raw, "credentials.json")
        let lock = try state.open("lock", O_RDWR | O_CREAT, mode: 0o600)
        try giveToAccount(lock, "lock")
        for _ in 0..<100 {
            if cordon_lock_exclusive(lock.raw, false) == 0 { return SharedDescriptor(lock) }
            usleep(50_000)
        }
        throw ValidationError("another cordond serves \(configuration.dataDirectory)")
    }

    private func directory(_ path: String, owner: uid_t, mode: mode_t) throws -> Directory {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let directory = try Directory(path: path)
        try own(directory, owner: owner, mode: mode)
        return directory
    }

    private func own(_ directory: Directory, owner: uid_t, mode: mode_t) throws {
        try check(fchown(directory.raw, owner, account.group), "chown", directory.name)
        try check(fchmod(directory.raw, mode), "chmod", directory.name)
    }

    // MARK: Launcher

    /// Starts the launcher's keeper, unless one lives, and waits until the launcher serves.
    func startLauncher(arguments: [String]) throws {
        let program = try sibling("cordon-launcher")
        let all =
            [
                "cordon-launcher", "--keep", "--data-dir", configuration.dataDirectory, "--run-dir",
                configuration.runDirectory, "--shim",
                try sibling("cordon-shim"), "--service-user", "\(account.user)", "--service-group", "\(account.group)",
            ] + arguments
        try spawn(program, all)
        let path = "\(configuration.runDirectory)/launcher.sock"
        for _ in 0..<12_000 {
            let raw = cordon_connect_unix(path)
            if raw >= 0 {
                close(raw)
                return
            }
            if let reason = try? String(contentsOfFile: "\(configuration.runDirectory)/launcher.error", encoding: .utf8)
            {
                throw ValidationError("no sandbox can run here: \(reason)")
            }
            usleep(10_000)
        }
        throw ValidationError("the launcher did not start; see \(configuration.runDirectory)/launcher.log")
    }

    private func sibling(_ name: String) throws -> String {
        let path = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent(name).path
        guard let path, access(path, X_OK) == 0 else {
            throw ValidationError("\(name) is not beside cordond")
        }
        return path
    }

    /// Started apart from this process: its end ends nothing of it.
    private func spawn(_ program: String, _ arguments: [String]) throws {
        unlink("\(configuration.runDirectory)/launcher.error")
        let log = try check(
            cordon_open(AT_FDCWD, "\(configuration.runDirectory)/launcher.log", O_WRONLY | O_CREAT | O_APPEND, 0o640),
            "open",
            "launcher.log")
        defer { close(log) }
        let strings: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        let pid = cordon_spawn_daemon(program, strings, &environment, log)
        try check(pid, "fork", "cordon-launcher")
    }

    // MARK: Rights

    /// Gives a file of the service's to its account, unless it has another name somewhere: it may be anybody's.
    private func giveToAccount(_ file: borrowing Descriptor, _ name: String) throws {
        var status = stat()
        try check(fstat(file.raw, &status), "stat", name)
        guard status.st_uid != account.user || status.st_gid != account.group else { return }
        guard status.st_nlink == 1 || status.st_mode & S_IFMT == S_IFDIR else { return }
        try check(fchownat(file.raw, "", account.user, account.group, Self.emptyPath), "chown", name)
    }

    /// From here on this process is an ordinary user's, for good.
    func giveUpRights() throws {
        let state = try Directory(path: configuration.stateDirectory)
        for name in try state.entries() {
            let raw = try check(cordon_open(state.raw, name, cordon_o_path | O_NOFOLLOW, 0), "open", name)
            try giveToAccount(Descriptor(owning: raw), name)
        }
        try check(cordon_become(account.user, account.group), "setresuid", "service account")
        // Becoming somebody else may have made it dumpable again (fs.suid_dumpable).
        try check(cordon_set_dumpable(false), "prctl", "dumpable")
        umask(0o077)
        for path in [configuration.stateDirectory, configuration.runDirectory] where access(path, X_OK) != 0 {
            throw ValidationError(
                "the service's account (\(account.user)) can't reach \(path): a directory above it lets nobody pass")
        }
    }
}
