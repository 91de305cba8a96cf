import SandboxModel

/// service → launcher: make a layer of what a sandbox has written to a volume.
public struct CommitVolume: Message {
    public static let type = MessageType.commitVolume
    public var order: VolumeCommitOrder

    public init(_ order: VolumeCommitOrder) { self.order = order }

    public func encode(into writer: inout WireWriter) {
        writer.put(order.sandbox)
        writer.put(order.path.text)
        writer.put(order.head.map(\.text))
        writer.put(order.published?.text ?? "")
        writer.put(order.layer.text)
        writer.put(order.isAwaited)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        order = VolumeCommitOrder(
            sandbox: try reader.value(), path: try FilePath(wire: try reader.string()),
            head: try [LayerName](wire: try reader.strings()),
            published: try reader.optionalLayer(), layer: try LayerName(wire: try reader.string()),
            isAwaited: try reader.bool())
    }
}

/// launcher → service: what was made of the writes; nothing where there were none.
public struct VolumeCommitted: Message {
    public static let type = MessageType.volumeCommitted
    public var facts: LayerFacts?

    public init(_ facts: LayerFacts?) { self.facts = facts }

    public func encode(into writer: inout WireWriter) {
        writer.put(facts != nil)
        if let facts { LayerMade(facts).encode(into: &writer) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        facts = try reader.bool() ? try LayerMade(from: &reader).facts : nil
    }
}

/// service → launcher: show a running sandbox other layers of a volume.
public struct ReloadVolume: Message {
    public static let type = MessageType.reloadVolume
    public var id: SandboxID
    public var path: FilePath
    public var published: LayerName?
    public var layers: [LayerName]

    public init(id: SandboxID, path: FilePath, published: LayerName?, layers: [LayerName]) {
        self.id = id
        self.path = path
        self.published = published
        self.layers = layers
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(path.text)
        writer.put(published?.text ?? "")
        writer.put(layers.map(\.text))
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        path = try FilePath(wire: try reader.string())
        published = try reader.optionalLayer()
        layers = try [LayerName](wire: try reader.strings())
    }
}

/// launcher → service: whether it shows them; not so where it has written what isn't published.
public struct VolumeReloaded: Message {
    public static let type = MessageType.volumeReloaded
    public var isDone: Bool

    public init(isDone: Bool) { self.isDone = isDone }
    public func encode(into writer: inout WireWriter) { writer.put(isDone) }
    public init(from reader: inout WireReader) throws(WireError) { isDone = try reader.bool() }
}

/// service → launcher: which writable layers over volumes ended sandboxes have left.
public struct ListLeftWrites: Message {
    public static let type = MessageType.listLeftWrites
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// launcher → service: these.
public struct LeftWritesList: Message {
    public static let type = MessageType.leftWritesList
    public var items: [LeftWrites]

    public init(_ items: [LeftWrites]) { self.items = items }
    public func encode(into writer: inout WireWriter) { writer.put(items) }
    public init(from reader: inout WireReader) throws(WireError) { items = try reader.values() }
}

/// service → launcher: remove one of them.
public struct ReleaseWrites: Message {
    public static let type = MessageType.releaseWrites
    public var left: LeftWrites

    public init(_ left: LeftWrites) { self.left = left }
    public func encode(into writer: inout WireWriter) { writer.put(left) }
    public init(from reader: inout WireReader) throws(WireError) { left = try reader.value() }
}

/// service → launcher: make one layer that shows what these show together, lowest first.
public struct MergeLayers: Message {
    public static let type = MessageType.mergeLayers
    public var layers: [LayerName]
    public var layer: LayerName

    public init(_ layers: [LayerName], as layer: LayerName) {
        self.layers = layers
        self.layer = layer
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(layers.map(\.text))
        writer.put(layer.text)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        layers = try [LayerName](wire: try reader.strings())
        layer = try LayerName(wire: try reader.string())
    }
}

extension LeftWrites: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(sandbox)
        writer.put(path.text)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        self.init(sandbox: try reader.value(), path: try FilePath(wire: try reader.string()))
    }
}

extension WireReader {
    fileprivate mutating func optionalLayer() throws(WireError) -> LayerName? {
        let text = try string()
        return text.isEmpty ? nil : try LayerName(wire: text)
    }
}
