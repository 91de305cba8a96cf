import ShimProtocol

/// Reads a tar archive as a state machine: bytes go in, events come out, and nothing is done.
///
/// Knows POSIX's ustar and pax with global headers, GNU tar's long names, numbers and sparse files, and what
/// was before. An entry of a type that it doesn't know is an error. The first empty block ends an archive, as
/// does the end of its bytes behind a whole entry; what follows is skipped. Holds at most one extended header.
package struct TarReader {
    package enum Event: Equatable {
        case entry(TarEntry)
        /// Bytes of the entry's content and the offset in the file where they belong. The range is of the
        /// bytes that were given.
        case content(at: UInt64, Range<Int>)
        case entryEnd
    }

    private enum State {
        case header
        /// An extended header's data, or a long name, with how many of its bytes count.
        case metadata(type: UInt8, size: Int)
        /// More of GNU tar's old maps of holes.
        case moreSegments
        /// A map of holes in front of a file's data.
        case map(SparseMap)
        case content
        case padding(Int)
        case over
    }

    private var state = State.header
    /// Where in the archive the next byte is.
    package private(set) var position: UInt64 = 0
    /// What has come of a block, or of metadata, that isn't whole yet.
    private var collected: [UInt8] = []
    private var extensions = TarExtensions()
    /// The entry whose content comes, or whose map does.
    private var entry = TarEntry(kind: .file, name: [])
    /// How much the archive holds of what comes.
    private var stored: UInt64 = 0
    private var segments: [TarEntry.Segment] = []
    private var segment = 0
    private var done: UInt64 = 0

    package init() {}

    /// The next event of what these bytes hold from `index`, which moves on; nil when all are used up. Throws
    /// `archive_invalid`.
    package mutating func next(_ bytes: UnsafeRawBufferPointer, at index: inout Int) throws(Fault) -> Event? {
        while index < bytes.count {
            switch state {
            case .header:
                guard let block = collect(TarFormat.block, bytes, &index) else { return nil }
                if let event = try take(block) { return event }
            case .metadata(let type, let size):
                guard let data = collect(size + TarFormat.padding(UInt64(size)), bytes, &index) else { return nil }
                try extensions.take(type: type, Array(data.prefix(size)))
                state = .header
            case .moreSegments:
                guard let block = collect(TarFormat.block, bytes, &index) else { return nil }
                segments += try TarHeader.segments(block[0..<504])
                if block[504] == 0 { return try begin(segments) }
                try SparseMap.verify(count: segments.count)
            case .map(var map):
                guard let block = collect(TarFormat.block, bytes, &index) else { return nil }
                guard stored >= TarFormat.block else { throw .invalidArchive("a map of holes is longer than its file") }
                stored -= UInt64(TarFormat.block)
                if let segments = try map.take(block) { return try begin(segments) }
                state = .map(map)
            case .content: return content(bytes, &index)
            case .padding(let count):
                let skipped = min(count, bytes.count - index)
                advance(skipped, &index)
                state = skipped == count ? .header : .padding(count - skipped)
            case .over: advance(bytes.count - index, &index)
            }
        }
        // An empty file's end needs no byte.
        if case .content = state, segment == segments.count { return content(bytes, &index) }
        return nil
    }

    /// Says that no more bytes come. Throws when the archive isn't whole.
    package func finish() throws(Fault) {
        switch state {
        case .over: return
        case .header where collected.isEmpty && extensions.areEmpty && position > 0: return
        case .padding: return
        default: throw .invalidArchive(position == 0 ? "it is empty" : "it ends in the middle")
        }
    }

    // MARK: Headers

    private mutating func take(_ block: [UInt8]) throws(Fault) -> Event? {
        if block.allSatisfy({ $0 == 0 }) {
            guard extensions.areEmpty else { throw .invalidArchive("it ends behind an extended header") }
            state = .over
            return nil
        }
        let header = try TarHeader(block)
        if TarExtensions.types.contains(header.type) {
            guard header.size <= TarFormat.longestExtension else {
                throw .invalidArchive("an extended header is longer than \(TarFormat.longestExtension) bytes")
            }
            state = .metadata(type: header.type, size: Int(header.size))
            return nil
        }
        // A label names the archive, not a file.
        if header.type == UInt8(ascii: "V") {
            extensions.endEntry()
            return nil
        }
        let described = try extensions.entry(header)
        extensions.endEntry()
        (entry, stored) = (described.entry, described.stored)
        switch described.layout {
        case .plain: return try begin(entry.segments ?? [TarEntry.Segment(offset: 0, length: entry.size)])
        case .mapInData: state = .map(SparseMap())
        case .mapContinues:
            segments = header.gnuSegments
            state = .moreSegments
        }
        return nil
    }

    private mutating func begin(_ map: [TarEntry.Segment]) throws(Fault) -> Event {
        if entry.kind == .file {
            try SparseMap.verify(map, size: entry.size, stored: stored)
            if map != [TarEntry.Segment(offset: 0, length: entry.size)] { entry.segments = map }
            segments = map.filter { $0.length > 0 }
        } else {
            segments = []
        }
        (segment, done) = (0, 0)
        state = .content
        return .entry(entry)
    }

    // MARK: Content

    private mutating func content(_ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> Event {
        guard segment < segments.count else {
            let padding = TarFormat.padding(stored)
            state = padding > 0 ? .padding(padding) : .header
            return .entryEnd
        }
        let current = segments[segment]
        let count = Int(min(UInt64(bytes.count - index), current.length - done))
        let range = index..<index + count
        let offset = current.offset + done
        advance(count, &index)
        done += UInt64(count)
        if done == current.length { (segment, done) = (segment + 1, 0) }
        return .content(at: offset, range)
    }

    // MARK: Bytes

    private mutating func advance(_ count: Int, _ index: inout Int) {
        index += count
        position &+= UInt64(count)
    }

    /// The next `count` bytes once all have come.
    private mutating func collect(_ count: Int, _ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> [UInt8]? {
        let taken = min(count - collected.count, bytes.count - index)
        collected.append(contentsOf: bytes[index..<index + taken])
        advance(taken, &index)
        guard collected.count == count else { return nil }
        defer { collected.removeAll(keepingCapacity: count <= TarFormat.block) }
        return collected
    }
}
