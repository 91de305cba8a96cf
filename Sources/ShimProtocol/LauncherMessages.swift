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

    public init(
        id: SandboxID, limits: LaunchLimits, hostname: String, timeout: Duration, idleTimeout: Duration?,
        seccomp: [UInt8], main: StartExec?
    ) {
        self.id = id
        self.limits = limits
        self.hostname = hostname
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.seccomp = seccomp
        self.main = main
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(limits)
        writer.put(hostname)
        writer.put(timeout)
        writer.putOptional(idleTimeout)
        writer.put(seccomp)
        writer.put(main)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        limits = try reader.value()
        hostname = try reader.string()
        timeout = try reader.duration()
        idleTimeout = try reader.optionalDuration()
        seccomp = try reader.blob()
        main = try reader.optional()
    }
}

/// service → launcher: start a sandbox.
public struct Launch: Message {
    public static let type = MessageType.launch
    public var assignment: Assignment

    public init(_ assignment: Assignment) { self.assignment = assignment }
    public func encode(into writer: inout WireWriter) { writer.put(assignment) }
    public init(from reader: inout WireReader) throws(WireError) { assignment = try reader.value() }
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

/// launcher → service: the sandbox runs, and its shim listens in this slot.
public struct Launched: Message {
    public static let type = MessageType.launched
    public var slot: String
    public var assigned: Assigned

    public init(slot: String, assigned: Assigned) {
        self.slot = slot
        self.assigned = assigned
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(slot)
        writer.put(assigned)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        slot = try reader.string()
        assigned = try reader.value()
    }
}

/// service → launcher: end a sandbox and answer once nothing of it is left.
public struct End: Message {
    public static let type = MessageType.end
    public var id: SandboxID
    public var detail: String

    public init(id: SandboxID, detail: String) {
        self.id = id
        self.detail = detail
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(detail)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        detail = try reader.string()
    }
}

/// launcher → service: nothing of the sandbox is left; the answer to `End`, and a report of its own.
public struct Ended: Message {
    public static let type = MessageType.ended
    public var id: SandboxID
    public var ending: Ending

    public init(id: SandboxID, ending: Ending) {
        self.id = id
        self.ending = ending
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(ending)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        ending = try reader.value()
    }
}

/// service → launcher: which sandboxes live.
public struct Inventory: Message {
    public static let type = MessageType.inventory
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// One living sandbox and the slot that its shim listens in.
public struct InventoryItem: WireCodable, Hashable {
    public var id: SandboxID
    public var slot: String

    public init(id: SandboxID, slot: String) {
        self.id = id
        self.slot = slot
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(slot)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        slot = try reader.string()
    }
}

/// launcher → service: the living sandboxes.
public struct InventoryList: Message {
    public static let type = MessageType.inventoryList
    public var items: [InventoryItem]

    public init(items: [InventoryItem]) { self.items = items }
    public func encode(into writer: inout WireWriter) { writer.put(items) }
    public init(from reader: inout WireReader) throws(WireError) { items = try reader.values() }
}

/// service → launcher: how the pool stands.
public struct PoolStatus: Message {
    public static let type = MessageType.poolStatus
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// launcher → service: the pool, and what launches found since the launcher started.
public struct PoolCounts: Message, Hashable {
    public static let type = MessageType.poolCounts
    /// How many are to be kept prepared, and are.
    public var wanted: UInt64
    public var prepared: UInt64
    /// Launches that found a prepared sandbox, and those that had to wait for one.
    public var hits: UInt64
    public var misses: UInt64

    public init(wanted: UInt64, prepared: UInt64, hits: UInt64, misses: UInt64) {
        self.wanted = wanted
        self.prepared = prepared
        self.hits = hits
        self.misses = misses
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(wanted)
        writer.put(prepared)
        writer.put(hits)
        writer.put(misses)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        wanted = try reader.integer()
        prepared = try reader.integer()
        hits = try reader.integer()
        misses = try reader.integer()
    }
}

/// service → launcher: remove what is kept of an ended sandbox.
public struct Forget: Message {
    public static let type = MessageType.forget
    public var id: SandboxID

    public init(id: SandboxID) { self.id = id }
    public func encode(into writer: inout WireWriter) { writer.put(id) }
    public init(from reader: inout WireReader) throws(WireError) { id = try reader.value() }
}

/// launcher → shim: what to build. Sent once, first.
public struct Prepare: Message {
    public static let type = MessageType.prepare
    /// The first of the sandbox's 65,536 host ids.
    public var idBase: UInt32
    /// Its control group below the hierarchies' mount points.
    public var group: String
    /// The slot's storage and the image, by path: a mount can only be cloned in the namespace that
    /// it is seen in. Nobody but root can change a part of either path.
    public var storage: String
    public var image: String
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

    public init(
        idBase: UInt32, group: String, storage: String, image: String, overlayMethod: UInt8, serviceGroup: UInt32,
        execSpoolBudget: UInt64, sandboxSpoolBudget: UInt64, diskReserve: UInt64, pids: UInt32
    ) {
        self.idBase = idBase
        self.group = group
        self.storage = storage
        self.image = image
        self.overlayMethod = overlayMethod
        self.serviceGroup = serviceGroup
        self.execSpoolBudget = execSpoolBudget
        self.sandboxSpoolBudget = sandboxSpoolBudget
        self.diskReserve = diskReserve
        self.pids = pids
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(idBase)
        writer.put(group)
        writer.put(storage)
        writer.put(image)
        writer.put(overlayMethod)
        writer.put(serviceGroup)
        writer.put(execSpoolBudget)
        writer.put(sandboxSpoolBudget)
        writer.put(diskReserve)
        writer.put(pids)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        idBase = try reader.integer()
        group = try reader.string()
        storage = try reader.string()
        image = try reader.string()
        overlayMethod = try reader.integer()
        serviceGroup = try reader.integer()
        execSpoolBudget = try reader.integer()
        sandboxSpoolBudget = try reader.integer()
        diskReserve = try reader.integer()
        pids = try reader.integer()
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

/// operator → launcher: end every sandbox, remove everything and exit.
public struct ShutDown: Message {
    public static let type = MessageType.shutDown
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// What the launcher writes down of a slot before it builds anything there.
public struct SlotRecord: WireCodable, Hashable {
    public var bootID: String
    public var idBase: UInt32
    /// Below the hierarchies' mount points.
    public var group: String
    /// Whose it is; written before the shim is told. Empty while it is nobody's.
    public var sandbox: String

    public init(bootID: String, idBase: UInt32, group: String, sandbox: String) {
        self.bootID = bootID
        self.idBase = idBase
        self.group = group
        self.sandbox = sandbox
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(bootID)
        writer.put(idBase)
        writer.put(group)
        writer.put(sandbox)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        bootID = try reader.string()
        idBase = try reader.integer()
        group = try reader.string()
        sandbox = try reader.string()
    }
}
