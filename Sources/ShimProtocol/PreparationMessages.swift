import SandboxModel

/// What a sandbox may take; filled in by the service from the request and its defaults.
public struct LaunchLimits: WireCodable, Hashable {
    public var memoryBytes: UInt64
    /// Thousandths of a core; 0 for no cap.
    public var cpuMillicores: UInt32
    public var cpuWeightMillicores: UInt32
    public var pids: UInt32

    public init(memoryBytes: UInt64, cpuMillicores: UInt32, cpuWeightMillicores: UInt32, pids: UInt32) {
        self.memoryBytes = memoryBytes
        self.cpuMillicores = cpuMillicores
        self.cpuWeightMillicores = cpuWeightMillicores
        self.pids = pids
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(memoryBytes)
        writer.put(cpuMillicores)
        writer.put(cpuWeightMillicores)
        writer.put(pids)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        memoryBytes = try reader.integer()
        cpuMillicores = try reader.integer()
        cpuWeightMillicores = try reader.integer()
        pids = try reader.integer()
    }
}

/// What a shim needs to make its prepared sandbox somebody's.
public struct Assignment: Message {
    public static let type = MessageType.assign
    public var id: SandboxID
    public var limits: LaunchLimits
    /// Shown inside as the host's name.
    public var hostname: String
    /// The lifetime, from the start.
    public var timeout: Duration
    public var idleTimeout: Duration?
    /// A BPF program for every process of the sandbox (struct sock_filter, 8 bytes each).
    public var seccomp: [UInt8]
    /// The main command, started before the answer.
    public var main: StartExec?
    /// The launcher's part: the shim has none in it.
    public var network: NetworkPolicy

    public init(
        id: SandboxID, limits: LaunchLimits, hostname: String, timeout: Duration, idleTimeout: Duration?,
        seccomp: [UInt8], main: StartExec?, network: NetworkPolicy = .blocked
    ) {
        self.id = id
        self.limits = limits
        self.hostname = hostname
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.seccomp = seccomp
        self.main = main
        self.network = network
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(limits)
        writer.put(hostname)
        writer.put(timeout)
        writer.putOptional(idleTimeout)
        writer.put(seccomp)
        writer.put(main)
        writer.put(network)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        limits = try reader.value()
        hostname = try reader.string()
        timeout = try reader.duration()
        idleTimeout = try reader.optionalDuration()
        seccomp = try reader.blob()
        main = try reader.optional()
        network = reader.remaining > 0 ? try reader.value() : .blocked
    }
}

/// shim → launcher: the sandbox runs.
public struct Assigned: Message {
    public static let type = MessageType.assigned
    public var startedAt: Timestamp
    public var deadline: Timestamp
    public var main: ExecState?

    public init(startedAt: Timestamp, deadline: Timestamp, main: ExecState?) {
        self.startedAt = startedAt
        self.deadline = deadline
        self.main = main
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(startedAt)
        writer.put(deadline)
        writer.put(main)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        startedAt = try reader.value()
        deadline = try reader.value()
        main = try reader.optional()
    }
}

/// launcher → shim: PID 1 of another sandbox comes with this frame, as a pidfd (`SCM_RIGHTS`). What is prepared next is
/// built in that one's network namespace, and ends with that one, whoever else lives. Sent once, before `Prepare`.
public struct JoinSandbox: Message {
    public static let type = MessageType.joinSandbox
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// launcher → shim: what to build. Sent once, first but for what it is to join.
public struct Prepare: Message {
    public static let type = MessageType.prepare
    /// The first of the sandbox's 65,536 host ids.
    public var idBase: UInt32
    /// Its control group below the hierarchies' mount points.
    public var group: String
    /// The slot's storage, what lies below all layers, and the directory of layers, by path: a mount can only be
    /// cloned in the namespace that it is seen in. Nobody but root can change a part of any of them.
    public var storage: String
    public var image: String
    public var layers: String
    public var root: RootImage
    /// How overlay layers are passed (`OverlayMethod`).
    public var overlayMethod: UInt8
    /// The host group that may read output and connect: the service's.
    public var serviceGroup: UInt32
    /// Bytes that the spools of one exec, and of the whole sandbox, may keep on disk.
    public var execSpoolBudget: UInt64
    public var sandboxSpoolBudget: UInt64
    /// Free bytes of the disk below which spools stop growing.
    public var diskReserve: UInt64
    public var pids: UInt32
    /// Whether a mount of the sandbox's own disk comes with this, to be attached over `storage`.
    public var hasDisk: Bool

    public init(
        idBase: UInt32, group: String, storage: String, image: String, layers: String, root: RootImage,
        overlayMethod: UInt8, serviceGroup: UInt32, execSpoolBudget: UInt64, sandboxSpoolBudget: UInt64,
        diskReserve: UInt64, pids: UInt32, hasDisk: Bool
    ) {
        self.idBase = idBase
        self.group = group
        self.storage = storage
        self.image = image
        self.layers = layers
        self.root = root
        self.overlayMethod = overlayMethod
        self.serviceGroup = serviceGroup
        self.execSpoolBudget = execSpoolBudget
        self.sandboxSpoolBudget = sandboxSpoolBudget
        self.diskReserve = diskReserve
        self.pids = pids
        self.hasDisk = hasDisk
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(idBase)
        writer.put(group)
        writer.put(storage)
        writer.put(image)
        writer.put(layers)
        writer.put(root)
        writer.put(overlayMethod)
        writer.put(serviceGroup)
        writer.put(execSpoolBudget)
        writer.put(sandboxSpoolBudget)
        writer.put(diskReserve)
        writer.put(pids)
        writer.put(hasDisk)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        idBase = try reader.integer()
        group = try reader.string()
        storage = try reader.string()
        image = try reader.string()
        layers = try reader.string()
        root = try reader.value()
        overlayMethod = try reader.integer()
        serviceGroup = try reader.integer()
        execSpoolBudget = try reader.integer()
        sandboxSpoolBudget = try reader.integer()
        diskReserve = try reader.integer()
        pids = try reader.integer()
        hasDisk = reader.remaining > 0 ? try reader.bool() : false
    }
}

/// shim → launcher: the sandbox is built and waits to be assigned.
public struct Prepared: Message {
    public static let type = MessageType.prepared
    /// Init's process id on the host.
    public var initProcess: Int32

    public init(initProcess: Int32) { self.initProcess = initProcess }
    public func encode(into writer: inout WireWriter) { writer.put(initProcess) }
    public init(from reader: inout WireReader) throws(WireError) { initProcess = try reader.integer() }
}

/// launcher → shim: end the sandbox now. The shim writes the ending and exits.
public struct EndSandbox: Message {
    public static let type = MessageType.endSandbox
    public var detail: String

    public init(detail: String) { self.detail = detail }
    public func encode(into writer: inout WireWriter) { writer.put(detail) }
    public init(from reader: inout WireReader) throws(WireError) { detail = try reader.string() }
}
