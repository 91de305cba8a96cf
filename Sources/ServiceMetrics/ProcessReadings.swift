import Glibc

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

    private static var openDescriptors: Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            // The dots, and this listing's own.
            if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
        }
        return count - 1
    }
}
