import SandboxModel

extension IPAddress: WireCodable {
    public func encode(into writer: inout WireWriter) { writer.put(bytes) }
    public init(from reader: inout WireReader) throws(WireError) {
        guard let address = IPAddress(bytes: try reader.blob()) else { throw WireError("not an address") }
        self = address
    }
}

extension AddressRange: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(address)
        writer.put(UInt8(prefix))
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let address: IPAddress = try reader.value()
        guard let range = AddressRange(address, prefix: Int(try reader.integer(UInt8.self))), range.address == address
        else { throw WireError("not a range of addresses") }
        self = range
    }
}

extension DomainPattern: WireCodable {
    public func encode(into writer: inout WireWriter) { writer.put(text) }
    public init(from reader: inout WireReader) throws(WireError) {
        do { try self.init(try reader.string(), field: "domain") } catch { throw WireError("not a domain pattern") }
    }
}

extension NetworkPolicy: WireCodable {
    public func encode(into writer: inout WireWriter) {
        switch self {
        case .blocked: writer.put(UInt8(0))
        case .open: writer.put(UInt8(1))
        case .allowlist(let list):
            writer.put(UInt8(2))
            writer.put(list.ranges)
            writer.put(list.domains)
        }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        switch try reader.integer(UInt8.self) {
        case 0: self = .blocked
        case 1: self = .open
        case 2:
            let ranges: [AddressRange] = try reader.values()
            let domains: [DomainPattern] = try reader.values()
            do {
                self = .allowlist(try NetworkAllowlist(ranges: ranges, domains: domains))
            } catch { throw WireError("not an allowlist") }
        case let kind: throw WireError("unknown network policy \(kind)")
        }
    }
}

extension NetworkPlace: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(v4)
        writer.put(v6)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        self.init(v4: try reader.value(), v6: try reader.optional())
    }
}

/// service → launcher: give a running sandbox another policy. Answered with its place.
public struct SetNetwork: Message {
    public static let type = MessageType.setNetwork
    public var id: SandboxID
    public var policy: NetworkPolicy

    public init(id: SandboxID, policy: NetworkPolicy) {
        self.id = id
        self.policy = policy
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(policy)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        policy = try reader.value()
    }
}

/// launcher → service: where a sandbox is now; nowhere without a network.
public struct NetworkSet: Message {
    public static let type = MessageType.networkSet
    public var place: NetworkPlace?

    public init(place: NetworkPlace?) { self.place = place }
    public func encode(into writer: inout WireWriter) { writer.put(place) }
    public init(from reader: inout WireReader) throws(WireError) { place = try reader.optional() }
}

/// service → launcher: open addresses of names to a sandbox for a while.
public struct OpenAddresses: Message {
    public static let type = MessageType.openAddresses
    public static let most = 64
    public var id: SandboxID
    public var addresses: [IPAddress]
    public var duration: Duration

    public init(id: SandboxID, addresses: [IPAddress], duration: Duration) {
        self.id = id
        self.addresses = addresses
        self.duration = duration
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(id)
        writer.put(addresses)
        writer.put(duration)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        id = try reader.value()
        addresses = try reader.values()
        duration = try reader.duration()
        guard addresses.count <= Self.most else { throw WireError("more than \(Self.most) addresses") }
    }
}

/// The sockets that the service can ask for.
public enum RouterSocket: UInt8, Sendable, Hashable, CaseIterable {
    case resolverUDP = 1
    case resolverTCP = 2
    case proxy = 3
    case proxyV6 = 4
    case denials = 5
}

/// service → launcher: make one of the router's sockets, which comes with the answer (`SocketOpened`).
public struct OpenRouterSocket: Message {
    public static let type = MessageType.openRouterSocket
    public var socket: RouterSocket

    public init(socket: RouterSocket) { self.socket = socket }
    public func encode(into writer: inout WireWriter) { writer.put(socket.rawValue) }
    public init(from reader: inout WireReader) throws(WireError) {
        guard let socket = RouterSocket(rawValue: try reader.integer()) else { throw WireError("unknown socket") }
        self.socket = socket
    }
}

/// launcher → shim: the router's network namespace comes with this frame (`SCM_RIGHTS`). The shim keeps it
/// for as long as it lives: the router is there while a sandbox needs it, whoever else dies.
public struct KeepRouter: Message {
    public static let type = MessageType.keepRouter
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}
