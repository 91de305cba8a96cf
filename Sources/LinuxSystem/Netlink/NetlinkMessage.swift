import CLinux

/// A netlink request as it is built: header, fixed part, attributes (netlink(7)).
public struct NetlinkMessage: Sendable {
    public private(set) var bytes: [UInt8]

    /// - Parameter flags: beside `NLM_F_REQUEST`, which every request has.
    public init(_ type: UInt16, flags: Int32 = 0) {
        bytes = []
        bytes.reserveCapacity(256)
        put(UInt32(0))
        put(type)
        put(UInt16(truncatingIfNeeded: NLM_F_REQUEST | flags))
        put(UInt32(0))
        put(UInt32(0))
    }

    /// Appends a number in the machine's order.
    public mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    /// Appends a structure of the kernel's.
    public mutating func put<Value: BitwiseCopyable>(structure value: Value) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    private mutating func align() { while bytes.count % 4 != 0 { bytes.append(0) } }

    private mutating func patch(_ length: Int, at offset: Int) {
        bytes[offset] = UInt8(truncatingIfNeeded: length)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: length >> 8)
    }

    public mutating func attribute(_ type: Int, _ value: some Collection<UInt8>) {
        align()
        put(UInt16(value.count + 4))
        put(UInt16(type))
        bytes.append(contentsOf: value)
        align()
    }

    /// A text with the null that ends it.
    public mutating func attribute(_ type: Int, _ text: String) { attribute(type, Array(text.utf8) + [0]) }

    /// A number in the machine's order, as rtnetlink takes it.
    public mutating func attribute(_ type: Int, _ value: UInt32) {
        attribute(type, withUnsafeBytes(of: value) { Array($0) })
    }

    /// A number in network order, as netfilter takes it.
    public mutating func attribute(_ type: Int, big value: UInt32) {
        attribute(type, withUnsafeBytes(of: value.bigEndian) { Array($0) })
    }

    public mutating func attribute(_ type: Int, big value: UInt64) {
        attribute(type, withUnsafeBytes(of: value.bigEndian) { Array($0) })
    }

    /// An attribute that holds what `content` appends.
    public mutating func nested(_ type: Int, flag: Bool = true, _ content: (inout NetlinkMessage) -> Void) {
        align()
        let start = bytes.count
        put(UInt16(0))
        put(UInt16(type) | (flag ? UInt16(truncatingIfNeeded: NLA_F_NESTED) : 0))
        content(&self)
        patch(bytes.count - start, at: start)
        align()
    }

    /// The message as it is sent.
    func sealed(sequence: UInt32, acknowledged: Bool) -> [UInt8] {
        var message = self
        message.align()
        let length = UInt32(message.bytes.count)
        for index in 0..<4 {
            message.bytes[index] = UInt8(truncatingIfNeeded: length >> UInt32(index * 8))
            message.bytes[8 + index] = UInt8(truncatingIfNeeded: sequence >> UInt32(index * 8))
        }
        if acknowledged { message.bytes[6] |= UInt8(NLM_F_ACK) }
        return message.bytes
    }
}
