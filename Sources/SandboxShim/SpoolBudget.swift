import CLinux
import Glibc
import LinuxSystem

/// What the spools of one sandbox may keep together, and what the disk leaves them.
package final class SpoolBudget {
    private let sandboxBytes: UInt64
    private let reserve: UInt64
    private let directory: Directory
    private var held: Int64 = 0
    private var diskRoom: UInt64 = 0
    private var checkedAt: Int64 = .min
    private var checkedTime: UInt64 = 0
    private static let checkEvery: Int64 = 16 << 20

    package init(sandboxBytes: UInt64, reserve: UInt64, directory: Directory) {
        self.sandboxBytes = sandboxBytes
        self.reserve = reserve
        self.directory = directory
    }

    package func changed(by bytes: Int64) { held += bytes }

    /// How many bytes more may be kept now.
    package func room() -> UInt64 {
        let now = cordon_boottime_ns()
        if checkedAt == .min || abs(held - checkedAt) >= Self.checkEvery || now - checkedTime > 1_000_000_000 {
            checkedAt = held
            checkedTime = now
            var status = statvfs()
            diskRoom = 0
            if fstatvfs(directory.raw, &status) == 0 {
                let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
                diskRoom = free > reserve ? free - reserve : 0
            }
        }
        let kept = UInt64(max(0, held))
        return min(diskRoom, sandboxBytes > kept ? sandboxBytes - kept : 0)
    }

    /// Whether the sandbox's own budget, not the disk, is what runs out.
    package var isExhausted: Bool { UInt64(max(0, held)) + (1 << 20) > sandboxBytes }
}
