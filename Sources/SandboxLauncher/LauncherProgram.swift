import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// The launcher's two processes: a keeper that does nothing but start the launcher again when it
/// dies, and the launcher.
public enum LauncherProgram {
    /// The exit status that says: trying again won't help.
    private static let hopeless: Int32 = 78

    /// Runs as the keeper (`--keep` first) or as the launcher itself.
    public static func run(arguments: [String]) -> Never {
        signal(SIGPIPE, SIG_IGN)
        _ = cordon_set_dumpable(false)
        // Shims have it from here: each stream of each exec takes some.
        _ = cordon_raise_descriptor_limit()
        do {
            if arguments.first == "--keep" {
                let rest = Array(arguments.dropFirst())
                try keep(try LauncherConfiguration(arguments: rest), rest)
            }
            let configuration = try LauncherConfiguration(arguments: arguments)
            do {
                try Launcher(configuration).run()
            } catch {
                report("\(error)", to: configuration.runDirectory)
                throw error
            }
            exit(0)
        } catch {
            say("\(error)")
            exit(hopeless)
        }
    }

    private static func say(_ text: String) {
        var line = "cordon-launcher: \(text)\n"
        line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }

    /// The service reads here why there is no launcher.
    private static func report(_ text: String, to directory: String) {
        try? Directory(path: directory).replace("launcher.error", with: Array(text.utf8), mode: 0o644)
    }

    private static func keep(_ configuration: LauncherConfiguration, _ arguments: [String]) throws -> Never {
        mkdir(configuration.runDirectory, 0o750)
        let run = try Directory(path: configuration.runDirectory)
        let lock = try run.open("keeper.lock", O_RDWR | O_CREAT, mode: 0o600)
        // One keeper is enough: it stays, this one goes.
        guard cordon_lock_exclusive(lock.raw, false) == 0 else { exit(0) }
        try run.unlink("launcher.error")
        _ = cordon_set_child_subreaper()
        let program = CStringArray(["cordon-launcher"] + arguments)
        let environment = CStringArray(["SWIFT_ROOT=/"])
        while true {
            let pid = try check(cordon_spawn("/proc/self/exe", program.pointers, environment.pointers, nil, 0), "fork")
            var status: Int32 = 0
            // Shims of a dead launcher come here: they are reaped as well.
            while waitpid(-1, &status, 0) != pid {}
            let code = (status >> 8) & 0xff
            // Without a sandbox to serve there is nobody to try again for.
            let isIdle = ((try? Directory(path: "\(configuration.runDirectory)/slots").entries()) ?? []).isEmpty
            if status & 0x7f == 0, code == 0 || (code == hopeless && isIdle) { exit(code) }
            say("the launcher ended with wait status \(status); starting it again")
            usleep(code == hopeless ? 1_000_000 : 50_000)
        }
    }
}
