import CLinux
import Glibc
import LinuxSystem

/// A process of the launcher's that does one thing, and doesn't outlive it.
enum LauncherChild {
    /// Starts `work` in one. It has all that the launcher has, until it gives it up.
    static func start(_ work: () -> Never) throws(SystemCallError) -> pid_t {
        let launcher = getpid()
        let pid = fork()
        if pid == 0 {
            _ = cordon_set_parent_death_signal(SIGKILL)
            if getppid() != launcher { _exit(1) }
            work()
        }
        return try check(pid, "fork")
    }
}
