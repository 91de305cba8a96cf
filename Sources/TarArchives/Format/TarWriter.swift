import ShimProtocol

/// Writes headers of a tar archive: POSIX.1-2001 pax, with extended headers only where ustar's don't do.
package enum TarWriter {
    /// What ends an archive.
    package static let end = [UInt8](repeating: 0, count: 2 * TarFormat.block)

    /// All that stands in front of an entry's data: headers, and a sparse file's map. The data of its segments
    /// follows, and the padding of all of it.
    package static func header(of entry: TarEntry) -> [UInt8] {
        let map = entry.segments.map { Self.map($0) } ?? []
        let records = records(of: entry)
        var bytes: [UInt8] = []
        if !records.isEmpty {
            bytes += block(type: "x", name: "pax", size: UInt64(records.count))
            bytes += records + padding(records.count)
        }
        bytes += block(for: entry, stored: entry.storedBytes + UInt64(map.count))
        return bytes + map
    }

    private static func padding(_ count: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: TarFormat.padding(UInt64(count)))
    }

    // MARK: Extended headers

    private static func records(of entry: TarEntry) -> [UInt8] {
        var bytes: [UInt8] = []
        func put(_ key: [UInt8], _ value: [UInt8]) { bytes += record(key, value) }
        func put(_ key: String, _ value: [UInt8]) { put(Array(key.utf8), value) }
        func put(_ key: String, _ value: some BinaryInteger) { put(key, Array("\(value)".utf8)) }
        if entry.segments != nil {
            put("GNU.sparse.major", 1)
            put("GNU.sparse.minor", 0)
            put("GNU.sparse.name", entry.name)
            put("GNU.sparse.realsize", entry.size)
        } else if entry.name.count > 100 {
            put("path", entry.name)
        }
        if entry.target.count > 100 { put("linkpath", entry.target) }
        if entry.user > largestID { put("uid", entry.user) }
        if entry.group > largestID { put("gid", entry.group) }
        if entry.storedBytes > largestSize { put("size", entry.storedBytes + UInt64(mapSize(entry))) }
        let time = entry.modified
        if time.nanoseconds != 0 || !(0...Int64(largestSize)).contains(time.seconds) { put("mtime", text(time)) }
        for attribute in entry.attributes {
            put(Array(PaxRecords.attributePrefix.utf8) + PaxRecords.encoded(attribute.name), attribute.value)
        }
        return bytes
    }

    private static func mapSize(_ entry: TarEntry) -> Int { entry.segments.map { map($0).count } ?? 0 }

    /// A record's length counts its own digits.
    private static func record(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        let rest = key.count + value.count + 3
        var length = rest + "\(rest)".utf8.count
        if "\(length)".utf8.count + rest != length { length = rest + "\(length)".utf8.count }
        return Array("\(length) ".utf8) + key + [UInt8(ascii: "=")] + value + [UInt8(ascii: "\n")]
    }

    private static func text(_ time: TarEntry.Time) -> [UInt8] {
        var (seconds, nanoseconds) = (time.seconds, time.nanoseconds)
        let isNegative = seconds < 0
        if isNegative && nanoseconds > 0 { (seconds, nanoseconds) = (seconds + 1, 1_000_000_000 - nanoseconds) }
        let digits = String(nanoseconds)
        let fraction = String(repeating: "0", count: 9 - digits.utf8.count) + digits
        return Array("\(isNegative ? "-" : "")\(seconds.magnitude).\(fraction)".utf8)
    }

    private static func map(_ segments: [TarEntry.Segment]) -> [UInt8] {
        var bytes = Array("\(segments.count)\n".utf8)
        for segment in segments { bytes += Array("\(segment.offset)\n\(segment.length)\n".utf8) }
        return bytes + padding(bytes.count)
    }

    // MARK: Blocks

    /// The largest numbers of seven and eleven octal digits.
    private static let largestID: UInt32 = 0o7_777_777
    private static let largestSize: UInt64 = 0o77_777_777_777

    private static func block(for entry: TarEntry, stored: UInt64) -> [UInt8] {
        let type: Unicode.Scalar =
            switch entry.kind {
            case .file: "0"
            case .hardLink: "1"
            case .symbolicLink: "2"
            case .directory: "5"
            case .fifo: "6"
            case .device: "3"
            }
        var block = block(type: type, name: "", size: stored)
        // Readers that don't know about holes shall not take the map for the file.
        let name = entry.segments == nil ? entry.name : Array("GNUSparseFile.0/".utf8) + entry.name
        put(Array(name.prefix(100)), at: 0, in: &block)
        put(Array(entry.target.prefix(100)), at: 157, in: &block)
        put(octal(UInt64(entry.mode), digits: 7), at: 100, in: &block)
        put(octal(UInt64(min(entry.user, largestID)), digits: 7), at: 108, in: &block)
        put(octal(UInt64(min(entry.group, largestID)), digits: 7), at: 116, in: &block)
        let seconds = min(max(0, entry.modified.seconds), Int64(largestSize))
        put(octal(UInt64(seconds), digits: 11), at: 136, in: &block)
        seal(&block)
        return block
    }

    private static func block(type: Unicode.Scalar, name: String, size: UInt64) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: TarFormat.block)
        put(Array(name.utf8), at: 0, in: &block)
        for (field, digits) in [(100, 7), (108, 7), (116, 7), (136, 11), (329, 7), (337, 7)] {
            put(octal(0, digits: digits), at: field, in: &block)
        }
        put(octal(min(size, largestSize), digits: 11), at: 124, in: &block)
        block[156] = UInt8(ascii: type)
        put(Array("ustar\0".utf8) + Array("00".utf8), at: 257, in: &block)
        seal(&block)
        return block
    }

    private static func seal(_ block: inout [UInt8]) {
        for index in 148..<156 { block[index] = UInt8(ascii: " ") }
        let sum = block.reduce(0) { $0 + UInt64($1) }
        put(octal(sum, digits: 6) + [0, UInt8(ascii: " ")], at: 148, in: &block)
    }

    private static func put(_ bytes: [UInt8], at index: Int, in block: inout [UInt8]) {
        block.replaceSubrange(index..<index + bytes.count, with: bytes)
    }

    private static func octal(_ value: UInt64, digits: Int) -> [UInt8] {
        let text = Array(String(value, radix: 8).utf8)
        return [UInt8](repeating: UInt8(ascii: "0"), count: max(0, digits - text.count)) + text
    }
}
