import SandboxModel

/// The families of sockets that can be asked for.
public enum SocketFamily: UInt8, Sendable, Hashable {
    case ipv4 = 4
    case ipv6 = 6
}

/// service → launcher: make a TCP socket in a sandbox's network namespace.
public struct OpenSocket: Message {
    public static let type = MessageType.openSocket
    public var id: SandboxID
    public var family: SocketFamily

    public init(id: SandboxID, family: SocketFamily) {
        self.id = id
        self.family = family
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(family.rawValue)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        guard let family = SocketFamily(rawValue: try reader.integer()) else { throw WireError("unknown family") }
        self.family = family
    }
}

/// launcher → service: what was asked for comes with this frame (`SCM_RIGHTS`); a TCP socket is not connected, and
/// non-blocking.
public struct SocketOpened: Message {
    public static let type = MessageType.socketOpened
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// service → shim: whether something goes on outside that keeps the sandbox from being idle, an open
/// tunnel say. Holds for as long as this connection does, and ten seconds more. Not answered.
public struct HoldAwake: Message {
    public static let type = MessageType.holdAwake
    public var isHeld: Bool

    public init(isHeld: Bool) { self.isHeld = isHeld }
    public func encode(into writer: inout WireWriter) { writer.put(isHeld) }
    public init(from reader: inout WireReader) throws(WireError) { isHeld = try reader.bool() }
}
