import SandboxModel

/// service → launcher: start a sandbox.
public struct Launch: Message {
    public static let type = MessageType.launch
    public var assignment: Assignment
    public var root: RootImage
    /// The size of a disk of its own; 0 for none.
    public var diskMiB: UInt32
    /// Made before anything runs, in this order.
    public var mounts: [LayerMount]
    /// The running sandbox in whose network it is built, and with which it ends; nil for one of its own.
    public var sidecarOf: SandboxID?
    /// Made after the mounts.
    public var buckets: [BucketOrder]

    public init(
        _ assignment: Assignment, root: RootImage, diskMiB: UInt32 = 0, mounts: [LayerMount] = [],
        sidecarOf: SandboxID? = nil, buckets: [BucketOrder] = []
    ) {
        self.assignment = assignment
        self.root = root
        self.diskMiB = diskMiB
        self.mounts = mounts
        self.sidecarOf = sidecarOf
        self.buckets = buckets
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(assignment)
        writer.put(root)
        writer.put(diskMiB)
        writer.put(mounts)
        writer.put(sidecarOf)
        writer.put(buckets)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        assignment = try reader.value()
        root = reader.remaining > 0 ? try reader.value() : .host
        diskMiB = reader.remaining > 0 ? try reader.integer() : 0
        mounts = reader.remaining > 0 ? try reader.values() : []
        sidecarOf = reader.remaining > 0 ? try reader.optional() : nil
        buckets = reader.remaining > 0 ? try reader.values() : []
    }
}

/// launcher → service: the sandbox runs, and its shim listens in this slot.
public struct Launched: Message {
    public static let type = MessageType.launched
    public var slot: String
    public var assigned: Assigned
    /// Where it is on the instance's network; nil without one.
    public var place: NetworkPlace?
    /// The size of the disk that it has: 0 also from a launcher that knows nothing of disks.
    public var diskMiB: UInt32
    /// Whether it shares another one's network: false also from a launcher that knows nothing of that.
    public var isSidecar: Bool
    /// How many buckets it has: 0 also from a launcher that knows nothing of them.
    public var buckets: UInt8

    public init(
        slot: String, assigned: Assigned, place: NetworkPlace? = nil, diskMiB: UInt32 = 0, isSidecar: Bool = false,
        buckets: UInt8 = 0
    ) {
        self.slot = slot
        self.assigned = assigned
        self.place = place
        self.diskMiB = diskMiB
        self.isSidecar = isSidecar
        self.buckets = buckets
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(slot)
        writer.put(assigned)
        writer.put(place)
        writer.put(diskMiB)
        writer.put(isSidecar)
        writer.put(buckets)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        slot = try reader.string()
        assigned = try reader.value()
        place = reader.remaining > 0 ? try reader.optional() : nil
        diskMiB = reader.remaining > 0 ? try reader.integer() : 0
        isSidecar = reader.remaining > 0 ? try reader.bool() : false
        buckets = reader.remaining > 0 ? try reader.integer() : 0
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

/// A living sandbox that has a network.
public struct PlacedSandbox: WireCodable, Hashable {
    public var id: SandboxID
    public var place: NetworkPlace

    public init(id: SandboxID, place: NetworkPlace) {
        self.id = id
        self.place = place
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(place)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        place = try reader.value()
    }
}

/// launcher → service: the living sandboxes.
public struct InventoryList: Message {
    public static let type = MessageType.inventoryList
    public var items: [InventoryItem]
    /// Where those are that have a network.
    public var places: [PlacedSandbox]

    public init(items: [InventoryItem], places: [PlacedSandbox] = []) {
        self.items = items
        self.places = places
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(items)
        writer.put(places)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        items = try reader.values()
        places = reader.remaining > 0 ? try reader.values() : []
    }
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
    /// Sandboxes that stand still because the disk is at its reserve.
    public var held: UInt64

    public init(wanted: UInt64, prepared: UInt64, hits: UInt64, misses: UInt64, held: UInt64 = 0) {
        self.wanted = wanted
        self.prepared = prepared
        self.hits = hits
        self.misses = misses
        self.held = held
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(wanted)
        writer.put(prepared)
        writer.put(hits)
        writer.put(misses)
        writer.put(held)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        wanted = try reader.integer()
        prepared = try reader.integer()
        hits = try reader.integer()
        misses = try reader.integer()
        held = reader.remaining > 0 ? try reader.integer() : 0
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

/// operator → launcher: end every sandbox, remove everything and exit.
public struct ShutDown: Message {
    public static let type = MessageType.shutDown
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}
