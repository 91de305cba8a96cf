import ArgumentParser
import LinuxSystem
import ServiceConfiguration

/// `cordond`: starts the launcher, gives up every right, and serves.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve (the default).", usage: "cordond [serve] [--config <file>] [<options> ...]",
        discussion: ConfigurationArguments.discussion)

    @OptionGroup var arguments: ConfigurationArguments

    /// Directories, launcher, and the end of all rights. Runs before any other thread exists.
    func prepareAsRoot() throws -> SandboxingService {
        let checked = try CheckedConfiguration(try arguments.load())
        let installation = try Installation(checked)
        try installation.refuseCores()
        let lock = try installation.takeOver()
        try installation.startLauncher(arguments: Self.launcherArguments(checked.values))
        try installation.giveUpRights()
        return SandboxingService(checked, lock: lock)
    }

    private static func launcherArguments(_ values: ServiceConfiguration) -> [String] {
        [
            "--pool-size", "\(values.poolSize)", "--pool-idle-size", "\(values.poolIdleSize)",
            "--pool-idle-seconds", "\(values.poolIdleSeconds)", "--hide-usr-local", "\(values.hideUsrLocal)",
            "--default-memory-mib", "\(values.defaultMemoryMiB)", "--default-pids", "\(values.defaultPids)",
            "--default-cpu-weight", "\(SandboxingService.defaultCPUWeight)", "--exec-spool-mib",
            "\(values.execSpoolMiB)",
            "--sandbox-spool-mib", "\(values.sandboxSpoolMiB)", "--disk-reserve-mib", "\(values.diskReserveMiB)",
            "--overlay-method", "\(OverlayMethod.allCases.firstIndex(of: values.overlayMethod) ?? 0)",
            "--network", "\(values.network)", "--network-pool", values.networkPool, "--network-opened",
            values.networkPrivateRanges.joined(separator: ","), "--bucket-opened",
            values.bucketPrivateRanges.joined(separator: ","), "--network-ipv6", values.networkIPv6.rawValue,
            "--network-connections", "\(values.networkMaximumConnections)", "--network-connections-per-second",
            "\(values.networkConnectionsPerSecond)", "--network-packets-per-second",
            "\(values.networkPacketsPerSecond)",
        ] + (values.defaultDiskMiB.map { ["--default-disk-mib", "\($0)"] } ?? [])
            + (values.networkMaximumConnectionsInAll.map { ["--network-connections-in-all", "\($0)"] } ?? [])
    }
}
