import SandboxModel

/// What the launcher writes down of a slot before it builds anything there.
public struct SlotRecord: WireCodable, Hashable {
    public var bootID: String
    public var idBase: UInt32
    /// Below the hierarchies' mount points.
    public var group: String
    public var root: RootImage
    /// The size of its disk; 0 for none of its own.
    public var diskMiB: UInt32
    /// What the host's `/usr` was known by when it was built; empty in records of before that was written down.
    public var hostPrint: String
    /// The id of the sandbox in whose network it was built; empty for one of its own.
    public var sidecarOf: String

    public init(
        bootID: String, idBase: UInt32, group: String, root: RootImage = .host, diskMiB: UInt32 = 0,
        hostPrint: String = "", sidecarOf: String = ""
    ) {
        self.bootID = bootID
        self.idBase = idBase
        self.group = group
        self.root = root
        self.diskMiB = diskMiB
        self.hostPrint = hostPrint
        self.sidecarOf = sidecarOf
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(bootID)
        writer.put(idBase)
        writer.put(group)
        writer.put(root)
        writer.put(diskMiB)
        writer.put(hostPrint)
        writer.put(sidecarOf)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        bootID = try reader.string()
        idBase = try reader.integer()
        group = try reader.string()
        root = reader.remaining > 0 ? try reader.value() : .host
        diskMiB = reader.remaining > 0 ? try reader.integer() : 0
        hostPrint = reader.remaining > 0 ? try reader.string() : ""
        sidecarOf = reader.remaining > 0 ? try reader.string() : ""
    }
}

/// What the launcher writes down of a slot before it tells the shim whose it is.
public struct SlotOwner: WireCodable, Hashable {
    /// The sandbox's id.
    public var sandbox: String
    /// Init's process id on the host.
    public var initProcess: Int32
    /// Its number on the instance's network; 0 without one.
    public var network: UInt32

    public init(sandbox: String, initProcess: Int32, network: UInt32) {
        self.sandbox = sandbox
        self.initProcess = initProcess
        self.network = network
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(sandbox)
        writer.put(initProcess)
        writer.put(network)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        sandbox = try reader.string()
        initProcess = try reader.integer()
        network = try reader.integer()
    }
}
