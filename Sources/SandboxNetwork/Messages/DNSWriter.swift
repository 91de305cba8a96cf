/// Writes a message, with names that were written before as pointers to them.
struct DNSWriter {
    private(set) var bytes: [UInt8] = []
    /// Where a name (in lower case, from some label on) stands; only places that a pointer can reach.
    private var places: [ArraySlice<UInt8>: Int] = [:]

    mutating func write(_ number: UInt16) {
        bytes.append(UInt8(number >> 8))
        bytes.append(UInt8(number & 0xff))
    }

    mutating func write(_ number: UInt32) {
        write(UInt16(number >> 16))
        write(UInt16(number & 0xffff))
    }

    mutating func write(_ data: [UInt8]) { bytes += data }

    mutating func write(_ name: DNSName) {
        let folded = name.folded.wire
        var at = 0
        while name.wire[at] != 0 {
            if let place = places[folded[at...]] { return write(UInt16(0xc000 | place)) }
            if bytes.count < 0x4000 { places[folded[at...]] = bytes.count }
            let next = at + 1 + Int(name.wire[at])
            bytes += name.wire[at..<next]
            at = next
        }
        bytes.append(0)
    }

    /// Writes what `body` writes behind its length.
    mutating func writeWithLength(_ body: (inout DNSWriter) -> Void) {
        let place = bytes.count
        write(UInt16(0))
        body(&self)
        let length = bytes.count - place - 2
        bytes[place] = UInt8(length >> 8 & 0xff)
        bytes[place + 1] = UInt8(length & 0xff)
    }
}
