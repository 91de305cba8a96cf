import SandboxModel
import ShimProtocol

/// One 512-byte header block (tar(5)): ustar's, GNU tar's, or one of before both.
struct TarHeader {
    let type: UInt8
    let name: [UInt8]
    let target: [UInt8]
    let mode: UInt32
    let size: UInt64
    /// Raw, since an extended header may have the true ones.
    let user: Int64
    let group: Int64
    let modified: Int64
    /// Holes as GNU tar once wrote them into the header, and whether more of them follow in blocks of their own.
    let gnuSegments: [TarEntry.Segment]
    let gnuRealSize: UInt64
    let hasMoreSegments: Bool

    /// Throws when the block's checksum is wrong, or a number in it isn't one.
    init(_ block: [UInt8]) throws(Fault) {
        try Self.verifyChecksum(block)
        type = block[156]
        mode = UInt32(truncatingIfNeeded: try Self.number(block[100..<108], "mode")) & 0o7777
        user = try Self.number(block[108..<116], "owner")
        group = try Self.number(block[116..<124], "group")
        let size = try Self.number(block[124..<136], "size")
        guard size >= 0 else { throw .invalidArchive("a negative size") }
        self.size = UInt64(size)
        modified = try Self.number(block[136..<148], "time")
        target = Self.text(block[157..<257])
        let isGNU = block[257..<265].elementsEqual("ustar  \0".utf8)
        let isPOSIX = block[257..<263].elementsEqual("ustar\0".utf8)
        let prefix = isPOSIX ? Self.text(block[345..<500]) : []
        let name = Self.text(block[0..<100])
        self.name = prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
        guard isGNU, type == UInt8(ascii: "S") else {
            (gnuSegments, gnuRealSize, hasMoreSegments) = ([], 0, false)
            return
        }
        gnuSegments = try Self.segments(block[386..<482])
        let real = try Self.number(block[483..<495], "size")
        guard real >= 0 else { throw .invalidArchive("a negative size") }
        gnuRealSize = UInt64(real)
        hasMoreSegments = block[482] != 0
    }

    /// GNU tar's pairs of offset and length, 12 bytes each; the first empty one ends them.
    static func segments(_ bytes: ArraySlice<UInt8>) throws(Fault) -> [TarEntry.Segment] {
        var found: [TarEntry.Segment] = []
        for start in stride(from: bytes.startIndex, to: bytes.endIndex, by: 24) {
            let pair = bytes[start..<start + 24]
            if pair.first == 0 { break }
            let (offset, length) = (try number(pair.prefix(12), "map"), try number(pair.suffix(12), "map"))
            guard offset >= 0, length >= 0 else { throw .invalidArchive("a negative offset") }
            found.append(TarEntry.Segment(offset: UInt64(offset), length: UInt64(length)))
        }
        return found
    }

    private static func verifyChecksum(_ block: [UInt8]) throws(Fault) {
        let stored = try number(block[148..<156], "checksum")
        var (unsigned, signed) = (Int64(0), Int64(0))
        for (index, byte) in block.enumerated() {
            let byte = (148..<156).contains(index) ? UInt8(ascii: " ") : byte
            unsigned += Int64(byte)
            // Some of the first programs summed as their machines' char was.
            signed += Int64(Int8(bitPattern: byte))
        }
        guard stored == unsigned || stored == signed else { throw .invalidArchive("a header's checksum is wrong") }
    }

    private static func text(_ field: ArraySlice<UInt8>) -> [UInt8] { Array(field.prefix { $0 != 0 }) }

    /// Octal digits, or GNU's base 256 behind a set highest bit, whose second highest is the sign.
    static func number(_ field: ArraySlice<UInt8>, _ what: StaticString) throws(Fault) -> Int64 {
        guard let first = field.first else { return 0 }
        if first & 0x80 != 0 {
            var value: Int64 = first & 0x40 != 0 ? -1 : 0
            for (index, byte) in field.enumerated() {
                let byte = index == 0 ? (value < 0 ? byte | 0x80 : byte & 0x7f) : byte
                let (shifted, overflow) = value.multipliedReportingOverflow(by: 256)
                guard !overflow else { throw .invalidArchive("a number (\(what)) is too large") }
                value = shifted | Int64(byte)
            }
            return value
        }
        var value: Int64 = 0
        var rest = field.drop { $0 == UInt8(ascii: " ") || $0 == 0 }
        while let digit = rest.first, digit != 0, digit != UInt8(ascii: " ") {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit) else {
                throw .invalidArchive("a number (\(what)) isn't octal")
            }
            // At most twelve digits: no overflow.
            value = value * 8 + Int64(digit - UInt8(ascii: "0"))
            rest = rest.dropFirst()
        }
        return value
    }
}

extension Fault {
    /// What was to be unpacked isn't an archive, or none for us.
    package static func invalidArchive(_ note: String) -> Fault { Fault(.archiveInvalid, note: note) }

    /// Names the archive's entry that a fault is about, unless it says something already.
    func about(_ name: [UInt8]) -> Fault {
        note.isEmpty ? Fault(fault, note: String(decoding: name.prefix(512), as: UTF8.self)) : self
    }
}
