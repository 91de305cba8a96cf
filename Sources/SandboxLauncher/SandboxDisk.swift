import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The making of a sandbox's own disk: an ext4 in a sparse file of its slot's.
enum SandboxDisk {
    /// The file, in the slot's directory.
    static let imageName = "disk"
    private static let programs = ["/usr/sbin/mke2fs", "/sbin/mke2fs", "/usr/local/sbin/mke2fs"]

    /// Throws `failedPrecondition` where this host can't make one.
    static func program() throws(Failure) -> String {
        guard let program = programs.first(where: { access($0, X_OK) == 0 }) else {
            throw Failure(.failedPrecondition, "disk_mib takes mke2fs of e2fsprogs, which isn't there")
        }
        guard access("/dev/loop-control", R_OK | W_OK) == 0 else {
            throw Failure(.failedPrecondition, "disk_mib takes loop devices, and there is no /dev/loop-control")
        }
        return program
    }

    /// Starts the program that makes the file system in a file of `mebibytes`; its pid.
    ///
    /// No journal: what a sandbox wrote doesn't outlive a loss of power. Nothing is set aside for root. What is zero
    /// needn't be written (`lazy_itable_init`): the file takes as much of the disk as is written to it.
    static func format(_ image: String, mebibytes: UInt32) throws -> pid_t {
        let program = try program()
        let arguments = CStringArray([
            "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0",
            "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard",
            "-N", "\(mebibytes * UInt32(LoopFileSystem.filesPerMiB))", image,
        ])
        let environment = CStringArray(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MKE2FS_CONFIG=/dev/null"])
        return try check(
            cordon_spawn(program, arguments.pointers, environment.pointers, nil, 0), "fork", "mke2fs")
    }
}
