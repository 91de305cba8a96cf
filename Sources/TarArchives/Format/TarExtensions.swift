import ShimProtocol

/// What extended headers say of the entry that follows, and global ones of all that follow.
struct TarExtensions {
    /// pax's for one entry and for all, Solaris' of the first kind, GNU tar's long target and name.
    static let types = Set("xgXKL".utf8)

    private struct Record {
        var key: [UInt8]
        var value: [UInt8]
    }

    private var global: [Record] = []
    private var globalBytes = 0
    private var local: [Record] = []
    private var longName: [UInt8]?
    private var longTarget: [UInt8]?
    /// Whether something was said of an entry that hasn't come.
    private(set) var areEmpty = true

    mutating func take(type: UInt8, _ data: [UInt8]) throws(Fault) {
        switch type {
        case UInt8(ascii: "g"): try takeGlobal(data)
        case UInt8(ascii: "L"):
            longName = Array(data.prefix { $0 != 0 })
            areEmpty = false
        case UInt8(ascii: "K"):
            longTarget = Array(data.prefix { $0 != 0 })
            areEmpty = false
        default:
            local.removeAll()
            try PaxRecords.forEach(in: data) { (key, value) throws(Fault) in
                local.append(Record(key: Array(key), value: Array(value)))
            }
            areEmpty = false
        }
    }

    private mutating func takeGlobal(_ data: [UInt8]) throws(Fault) {
        try PaxRecords.forEach(in: data) { (key, value) throws(Fault) in
            let key = Array(key)
            if let index = global.firstIndex(where: { $0.key == key }) {
                globalBytes -= key.count + global.remove(at: index).value.count
            }
            global.append(Record(key: key, value: Array(value)))
            globalBytes += key.count + value.count
            guard globalBytes <= TarFormat.longestExtension, global.count <= 1000 else {
                throw .invalidArchive("global headers say too much")
            }
        }
    }

    mutating func endEntry() {
        local.removeAll()
        (longName, longTarget) = (nil, nil)
        areEmpty = true
    }

    // MARK: The entry

    /// How a file's data lies in the archive.
    enum Layout {
        case plain
        /// Behind a map of the holes.
        case mapInData
        /// The header's map goes on in blocks of its own.
        case mapContinues
    }

    struct Described {
        var entry: TarEntry
        var layout: Layout
        /// The bytes that follow the header, map and all.
        var stored: UInt64
    }

    /// The entry that a header begins, with all that was said of it before.
    func entry(_ header: TarHeader) throws(Fault) -> Described {
        var records = PaxRecords()
        for record in global { try records.take(record.key[...], record.value[...]) }
        for record in local { try records.take(record.key[...], record.value[...]) }

        let name = records.sparse.name ?? records.path ?? longName ?? header.name
        var entry = TarEntry(kind: try Self.kind(header.type, name), name: name)
        entry.target = records.target ?? longTarget ?? header.target
        guard name.count <= TarFormat.longestName, entry.target.count <= TarFormat.longestName else {
            throw .invalidArchive("a name is longer than \(TarFormat.longestName) bytes")
        }
        entry.mode = header.mode
        if let user = records.user { entry.user = user } else { entry.user = try Self.id(header.user) }
        if let group = records.group { entry.group = group } else { entry.group = try Self.id(header.group) }
        entry.modified = records.modified ?? TarEntry.Time(seconds: header.modified)
        entry.attributes = records.attributes
        // Of what isn't a file nothing is stored, whatever its header says.
        guard entry.kind == .file else { return Described(entry: entry, layout: .plain, stored: 0) }
        return try file(entry, header, records)
    }

    private func file(_ entry: TarEntry, _ header: TarHeader, _ records: PaxRecords) throws(Fault) -> Described {
        var entry = entry
        let stored = records.size ?? header.size
        entry.size = stored
        if header.type == UInt8(ascii: "S") {
            entry.size = header.gnuRealSize
            entry.segments = header.gnuSegments
            return Described(entry: entry, layout: header.hasMoreSegments ? .mapContinues : .plain, stored: stored)
        }
        if let numbers = records.sparse.numbers, let size = records.sparse.realSize {
            guard numbers.count % 2 == 0 else { throw .invalidArchive("a map of holes isn't whole") }
            entry.size = size
            entry.segments = stride(from: 0, to: numbers.count, by: 2).map {
                TarEntry.Segment(offset: numbers[$0], length: numbers[$0 + 1])
            }
        } else if records.sparse.hasMapInData {
            guard let size = records.sparse.realSize else { throw .invalidArchive("a sparse file without a size") }
            entry.size = size
            return Described(entry: entry, layout: .mapInData, stored: stored)
        } else if records.sparse.major != nil {
            throw .invalidArchive("a sparse file of an unknown version")
        }
        return Described(entry: entry, layout: .plain, stored: stored)
    }

    private static func kind(_ type: UInt8, _ name: [UInt8]) throws(Fault) -> TarEntry.Kind {
        switch type {
        // Before POSIX a directory was a name with a slash behind it.
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): return name.last == UInt8(ascii: "/") ? .directory : .file
        case UInt8(ascii: "S"): return .file
        case UInt8(ascii: "1"): return .hardLink
        case UInt8(ascii: "2"): return .symbolicLink
        case UInt8(ascii: "3"), UInt8(ascii: "4"): return .device
        case UInt8(ascii: "5"): return .directory
        case UInt8(ascii: "6"): return .fifo
        default: throw .invalidArchive("an entry of the unknown type \(type)")
        }
    }

    /// The highest number is none: to chown(2) it means "leave it".
    private static func id(_ number: Int64) throws(Fault) -> UInt32 {
        guard let id = UInt32(exactly: number), id != .max else {
            throw .invalidArchive("an owner's number is too large, or negative")
        }
        return id
    }
}
