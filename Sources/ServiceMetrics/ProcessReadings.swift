import Glibc
import LinuxSystem

/// This process as the kernel sees it, under the names that Prometheus' own clients use.
struct ProcessReadings: Sendable {
    private let startedAt: Double

    init() {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        startedAt = Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }

    func write(to text: inout ExpositionText) {
        text.single(
            "process_start_time_seconds", .gauge, "When the service started, in seconds since 1970.", startedAt)
        text.single("process_cpu_seconds_total", .counter, "CPU time of the service, user and system.", Self.cpuSeconds)
        if let pages = Self.residentPages {
            text.single(
                "process_resident_memory_bytes", .gauge, "Resident memory of the service.",
                pages * UInt64(sysconf(Int32(_SC_PAGESIZE))))
        }
        if let count = Self.openDescriptors {
            text.single("process_open_fds", .gauge, "Open descriptors of the service.", count)
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            text.single(
                "process_max_fds", .gauge, "The limit of open descriptors of the service.", UInt64(limit.rlim_cur))
        }
    }

    private static var cpuSeconds: Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }

    /// proc(5), statm: the second number.
    private static var residentPages: UInt64? {
        guard let file = fopen("/proc/self/statm", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
    }

    /// proc(5), /proc/pid/fd. The entries are read as the kernel packs them: readdir(3)'s `dirent` has a name of 256
    /// bytes, and whoever copies it whole reads past the buffer's end at its last entries.
    private static var openDescriptors: Int? {
        let number = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return nil }
        let directory = Descriptor(owning: number)
        let buffer = DirectoryBuffer()
        // This listing's own isn't counted.
        var count = -1
        do {
            while try buffer.fill(from: directory.raw) { for _ in buffer { count += 1 } }
        } catch {
            return nil
        }
        return count
    }
}
