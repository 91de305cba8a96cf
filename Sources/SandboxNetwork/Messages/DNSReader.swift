/// Reads the parts of a message from bytes of whoever sent them: nothing is believed.
struct DNSReader {
    private let bytes: [UInt8]
    private(set) var offset = 0
    /// Bytes of names that were written out; what compression may blow a message up to is bounded.
    private var expanded = 0

    private static let maximumExpansion = 256 * 1024

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var atEnd: Bool { offset == bytes.count }

    mutating func byte() throws(DNSFault) -> UInt8 {
        guard offset < bytes.count else { throw .truncated }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func number16() throws(DNSFault) -> UInt16 {
        let high = try byte()
        return UInt16(high) << 8 | UInt16(try byte())
    }

    mutating func number32() throws(DNSFault) -> UInt32 {
        let high = try number16()
        return UInt32(high) << 16 | UInt32(try number16())
    }

    mutating func take(_ count: Int) throws(DNSFault) -> ArraySlice<UInt8> {
        guard count <= bytes.count - offset else { throw .truncated }
        defer { offset += count }
        return bytes[offset..<offset + count]
    }

    /// A name, with pointers followed. Each pointer must go to before the bytes that led to it, so
    /// that there is no way to go round.
    mutating func name() throws(DNSFault) -> DNSName {
        var wire: [UInt8] = []
        var at = offset
        /// Pointers may only go below this.
        var floor = offset
        var jumped = false
        while true {
            guard at < bytes.count else { throw .truncated }
            let length = Int(bytes[at])
            switch length & 0xc0 {
            case 0:
                guard at + 1 + length <= bytes.count else { throw .truncated }
                wire += bytes[at...at + length]
                guard wire.count <= 255 else { throw .nameLength }
                at += 1 + length
                if !jumped { offset = at }
                if length == 0 { return try finish(wire) }
            case 0xc0:
                guard at + 1 < bytes.count else { throw .truncated }
                let target = (length & 0x3f) << 8 | Int(bytes[at + 1])
                // The header isn't a name.
                guard target < floor, target >= 12 else { throw .pointer }
                if !jumped { offset = at + 2 }
                jumped = true
                floor = target
                at = target
            default: throw .labelKind
            }
        }
    }

    private mutating func finish(_ wire: [UInt8]) throws(DNSFault) -> DNSName {
        expanded += wire.count
        guard expanded <= Self.maximumExpansion else { throw .size }
        return DNSName(unchecked: wire)
    }
}
