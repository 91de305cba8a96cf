/// How much of a resource a sandbox is promised and may take at most.
public struct ResourceAmount<Unit: BinaryInteger & Sendable & Hashable>: Sendable, Hashable {
    /// What is reserved for it; zero reserves nothing.
    public var request: Unit
    /// The most it may take; nil means the service's default limit.
    public var limit: Unit?

    public init(request: Unit = 0, limit: Unit? = nil) {
        self.request = request
        self.limit = limit
    }
}

/// A sandbox's share of the machine.
public struct Resources: Sendable, Hashable {
    /// In thousandths of a core. The request weighs, the limit caps.
    public var cpuMillicores: ResourceAmount<Int>
    /// In MiB. Going over the limit ends a process of the sandbox, typed as out of memory.
    public var memoryMiB: ResourceAmount<Int>
    /// The most processes and threads at a time, kernel threads of the sandbox's own included.
    public var pidsLimit: Int?
    /// What it may keep on disk, in MiB; nil for the service's default.
    public var diskMiB: Int?

    /// A disk of less than this holds too few files, one of more takes the kernel too much memory.
    public static let diskMiBRange = 16...262_144

    public init(
        cpuMillicores: ResourceAmount<Int> = .init(), memoryMiB: ResourceAmount<Int> = .init(),
        pidsLimit: Int? = nil, diskMiB: Int? = nil
    ) {
        self.cpuMillicores = cpuMillicores
        self.memoryMiB = memoryMiB
        self.pidsLimit = pidsLimit
        self.diskMiB = diskMiB
    }
}
