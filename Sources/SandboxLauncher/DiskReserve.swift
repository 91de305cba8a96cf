import CLinux
import Glibc
import LinuxSystem

/// What the disk that sandboxes write to has left.
package struct DiskRoom {
    private let bytes: UInt64
    private let files: UInt64
    private let mostFiles: UInt64

    package init(bytes: UInt64, files: UInt64, mostFiles: UInt64) {
        (self.bytes, self.files, self.mostFiles) = (bytes, files, mostFiles)
    }

    /// What is left of the file system that a directory lies on, once what is on its way there has arrived.
    package init(of directory: Int32, pending: UInt64) throws(SystemCallError) {
        var status = statvfs()
        try check(fstatvfs(directory, &status), "statvfs", "storage")
        let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
        bytes = free - min(free, pending)
        files = UInt64(status.f_favail)
        mostFiles = UInt64(status.f_files)
    }

    /// How much of the reserve is left, in hundredths: 100 and more while nothing of it is taken. Of the places for
    /// files, where the file system has a number of them, a hundredth is the reserve.
    package func share(of reserve: UInt64) -> UInt64 {
        let ofBytes = reserve == 0 ? UInt64.max : bytes / max(1, reserve / 100)
        let reserved = mostFiles / 100
        let ofFiles = reserved == 0 ? UInt64.max : files / max(1, reserved / 100)
        return min(ofBytes, ofFiles)
    }
}

/// What a sandbox has written, as far as it can be told without looking through its files.
package enum DiskUse: Equatable {
    /// Bytes taken of its own disk.
    case ofDisk(UInt64)
    /// Bytes that each of its processes has dirtied, its reaped children's included (proc_pid_io(5), `write_bytes`).
    case ofProcesses([pid_t: UInt64])

    /// How much was written since then; what has vanished is not counted back.
    package func growth(since before: DiskUse) -> UInt64 {
        switch (self, before) {
        case (.ofDisk(let now), .ofDisk(let then)): now - min(now, then)
        case (.ofProcesses(let now), .ofProcesses(let then)):
            now.reduce(0) { $0 + $1.value - min($1.value, then[$1.key] ?? 0) }
        default: 0
        }
    }

    init(of disk: LoopFileSystem) throws(SystemCallError) {
        var status = statvfs()
        try check(fstatvfs(disk.root.raw, &status), "statvfs", "disk")
        self = .ofDisk(UInt64(status.f_blocks - min(status.f_blocks, status.f_bfree)) * UInt64(status.f_frsize))
    }

    /// Of all processes in a group and below; nil when there are more than `most`.
    init?(of group: ControlGroup, most: Int) {
        var bytes: [pid_t: UInt64] = [:]
        for pid in group.processes(most: most + 1) {
            guard bytes.count < most else { return nil }
            bytes[pid] = ((try? KernelFile.number(after: "write_bytes: ", in: "/proc/\(pid)/io")) ?? nil) ?? 0
        }
        self = .ofProcesses(bytes)
    }
}
