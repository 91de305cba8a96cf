import SandboxModel

extension RootImage: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(base.rawValue)
        writer.put(layers.map(\.text))
    }

    public init(from reader: inout WireReader) throws(WireError) {
        guard let base = Base(rawValue: try reader.integer()) else { throw WireError("no base of an image") }
        var layers: [LayerName] = []
        for text in try reader.strings() { layers.append(try LayerName(wire: text)) }
        do {
            try self.init(base: base, layers: layers)
        } catch { throw WireError("an image of \(layers.count) layers") }
    }
}

extension LayerMount: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(path.text)
        writer.put(layers.map(\.text))
        writer.put(isReadOnly)
        writer.put(isVolume)
        writer.put(subPath?.text ?? "")
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let path = try FilePath(wire: try reader.string())
        let layers = try [LayerName](wire: try reader.strings())
        let (isReadOnly, isVolume) = (try reader.bool(), try reader.bool())
        let text = try reader.string()
        var subPath: VolumePath?
        if !text.isEmpty {
            guard let path = try? VolumePath(text) else { throw WireError("no path in a volume") }
            subPath = path
        }
        self.init(path: path, layers: layers, isReadOnly: isReadOnly, isVolume: isVolume, subPath: subPath)
    }
}

extension FilePath {
    init(wire text: String) throws(WireError) {
        guard let path = try? FilePath(text) else { throw WireError("no path") }
        self = path
    }
}

extension [LayerName] {
    init(wire texts: [String]) throws(WireError) {
        self = []
        for text in texts { append(try LayerName(wire: text)) }
    }
}

extension LayerName {
    init(wire text: String) throws(WireError) {
        guard let name = LayerName(text) else { throw WireError("no name of a layer") }
        self = name
    }
}

/// service → launcher: end a sandbox and keep what it wrote as a layer.
public struct KeepLayer: Message {
    public static let type = MessageType.keepLayer
    public var id: SandboxID
    public var layer: LayerName

    public init(id: SandboxID, layer: LayerName) {
        self.id = id
        self.layer = layer
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(layer.text)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        layer = try LayerName(wire: try reader.string())
    }
}

/// service → launcher: copy what a running sandbox wrote, or a directory as it sees it, into a layer.
public struct CopyLayer: Message {
    public static let type = MessageType.copyLayer
    public var id: SandboxID
    /// Absolute, as the sandbox sees it; nil for all that it has written.
    public var path: String?
    public var layer: LayerName
    /// Whether what it has written and all layers below become one.
    public var flattens: Bool

    public init(id: SandboxID, path: String?, layer: LayerName, flattens: Bool = false) {
        self.id = id
        self.path = path
        self.layer = layer
        self.flattens = flattens
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(path ?? "")
        writer.put(layer.text)
        writer.put(flattens)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        let text = try reader.string()
        path = text.isEmpty ? nil : text
        layer = try LayerName(wire: try reader.string())
        flattens = reader.remaining > 0 ? try reader.bool() : false
    }
}

/// service → launcher: show layers at a directory of a running sandbox, with a writable layer over them.
public struct MountLayers: Message {
    public static let type = MessageType.mountLayers
    public var id: SandboxID
    public var mount: LayerMount

    public init(id: SandboxID, mount: LayerMount) {
        self.id = id
        self.mount = mount
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(mount)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        mount = try reader.value()
    }
}

/// service → launcher: take away what was mounted at a directory of a running sandbox.
public struct UnmountLayers: Message {
    public static let type = MessageType.unmountLayers
    public var id: SandboxID
    public var path: FilePath

    public init(id: SandboxID, path: FilePath) {
        self.id = id
        self.path = path
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(path.text)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        path = try FilePath(wire: try reader.string())
    }
}

/// launcher → service: the layer is there, and as durable as what made it promises.
public struct LayerMade: Message {
    public static let type = MessageType.layerMade
    public var facts: LayerFacts

    public init(_ facts: LayerFacts) { self.facts = facts }

    public func encode(into writer: inout WireWriter) {
        writer.put(facts.bytes)
        writer.put(facts.entries)
        writer.put(facts.leftOut)
        writer.put(facts.leftOutCount)
        writer.put(facts.hostPrint ?? "")
    }

    public init(from reader: inout WireReader) throws(WireError) {
        facts = LayerFacts(
            bytes: try reader.integer(), entries: try reader.integer(), leftOut: try reader.strings(),
            leftOutCount: try reader.integer())
        guard reader.remaining > 0 else { return }
        let print = try reader.string()
        facts.hostPrint = print.isEmpty ? nil : print
    }
}

/// service → launcher: which layers are there.
public struct ListLayers: Message {
    public static let type = MessageType.listLayers
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// service → launcher: remove layers that no sandbox uses.
public struct RemoveLayers: Message {
    public static let type = MessageType.removeLayers
    public var layers: [LayerName]

    public init(_ layers: [LayerName]) { self.layers = layers }
    public func encode(into writer: inout WireWriter) { writer.put(layers.map(\.text)) }
    public init(from reader: inout WireReader) throws(WireError) {
        layers = []
        for text in try reader.strings() { layers.append(try LayerName(wire: text)) }
    }
}

/// launcher → service: the layers that are there, or that could not be removed.
public struct LayerList: Message {
    public static let type = MessageType.layerList
    public var layers: [LayerName]
    /// What was there, and isn't whole any more.
    public var lost: [LayerName]

    public init(_ layers: [LayerName], lost: [LayerName] = []) { (self.layers, self.lost) = (layers, lost) }

    public func encode(into writer: inout WireWriter) {
        writer.put(layers.map(\.text))
        writer.put(lost.map(\.text))
    }

    public init(from reader: inout WireReader) throws(WireError) {
        layers = try [LayerName](wire: try reader.strings())
        lost = reader.remaining > 0 ? try [LayerName](wire: try reader.strings()) : []
    }
}

/// service → launcher, on a connection of its own: tell what a layer, or a running sandbox, has touched. Answered by
/// `SocketOpened` with the reading end of a pipe, in which `TouchedPaths` follow each other, and `FileEnd` behind the last.
public struct ListTouched: Message {
    public static let type = MessageType.listTouched
    public var tree: TouchedTree

    public init(_ tree: TouchedTree) { self.tree = tree }

    public func encode(into writer: inout WireWriter) {
        switch tree {
        case .layer(let layer):
            writer.put(false)
            writer.put(layer.text)
        case .sandbox(let id):
            writer.put(true)
            writer.put(id)
        }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        tree = try reader.bool() ? .sandbox(try reader.value()) : .layer(try LayerName(wire: try reader.string()))
    }
}

/// Some of what was touched, in the order of the walk. What a hostile tree is told by.
public struct TouchedPaths: Message {
    public static let type = MessageType.touchedPaths
    /// About how many bytes of paths one message holds.
    public static let bytes = 128 << 10
    public static let longestPath = 70_000
    public var paths: [TouchedPath]

    public init(_ paths: [TouchedPath]) { self.paths = paths }
    public func encode(into writer: inout WireWriter) { writer.put(paths) }
    public init(from reader: inout WireReader) throws(WireError) { paths = try reader.values() }
}

extension TouchedPath: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.put(kind.rawValue)
    }

    /// Throws for what is no path below a root.
    public init(from reader: inout WireReader) throws(WireError) {
        let path = try reader.blob()
        guard let kind = Kind(rawValue: try reader.integer()) else { throw WireError("unknown kind") }
        guard !path.isEmpty, path.count <= TouchedPaths.longestPath, path.first != UInt8(ascii: "/"), !path.contains(0)
        else { throw WireError("no path below a root") }
        self.init(path: path, kind: kind)
    }
}

/// service → launcher: what is the host's `/usr` known by now?
public struct DescribeHost: Message {
    public static let type = MessageType.describeHost
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// launcher → service.
public struct HostDescribed: Message {
    public static let type = MessageType.hostDescribed
    public var print: String

    public init(print: String) { self.print = print }
    public func encode(into writer: inout WireWriter) { writer.put(print) }
    public init(from reader: inout WireReader) throws(WireError) { print = try reader.string() }
}
