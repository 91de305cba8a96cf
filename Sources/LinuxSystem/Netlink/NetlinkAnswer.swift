import CLinux

/// One message of the kernel's. Every length is checked against what is there.
public struct NetlinkAnswer: Sendable {
    public let type: UInt16
    public let flags: UInt16
    public let sequence: UInt32
    /// What follows the header.
    public let payload: ArraySlice<UInt8>

    /// Cuts a datagram into messages; nil when it isn't made of whole ones.
    public static func messages(in datagram: ArraySlice<UInt8>) -> [NetlinkAnswer]? {
        var rest = datagram
        var messages: [NetlinkAnswer] = []
        while rest.count >= 16 {
            let length = Int(rest.number(at: 0, as: UInt32.self))
            guard length >= 16, length <= rest.count else { return nil }
            messages.append(
                NetlinkAnswer(
                    type: rest.number(at: 4, as: UInt16.self), flags: rest.number(at: 6, as: UInt16.self),
                    sequence: rest.number(at: 8, as: UInt32.self), payload: rest.dropFirst(16).prefix(length - 16)))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return messages
    }

    /// The attributes behind a fixed part of `size` bytes.
    public func attributes(after size: Int) -> NetlinkAttributes { NetlinkAttributes(payload.dropFirst(size)) }
}

/// Attributes, one level of them. What doesn't fit ends the list.
public struct NetlinkAttributes: Sequence, IteratorProtocol, Sendable {
    private var rest: ArraySlice<UInt8>

    public init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next attribute's type, without the flags in it, and its value.
    public mutating func next() -> (type: Int, value: ArraySlice<UInt8>)? {
        guard rest.count >= 4 else { return nil }
        let length = Int(rest.number(at: 0, as: UInt16.self))
        guard length >= 4, length <= rest.count else { return nil }
        let type = Int(rest.number(at: 2, as: UInt16.self) & 0x3fff)
        let value = rest.dropFirst(4).prefix(length - 4)
        rest = rest.dropFirst((length + 3) & ~3)
        return (type, value)
    }

    /// The first attribute of a type.
    public func value(of type: Int) -> ArraySlice<UInt8>? { first { $0.type == type }?.value }
}

extension ArraySlice<UInt8> {
    /// A number in the machine's order, `offset` bytes in; 0 when it isn't there.
    package func number<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type = Value.self) -> Value {
        guard offset >= 0, count - offset >= MemoryLayout<Value>.size else { return 0 }
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
    }

    /// A text up to its null.
    package var text: String { String(decoding: prefix { $0 != 0 }, as: UTF8.self) }
}
