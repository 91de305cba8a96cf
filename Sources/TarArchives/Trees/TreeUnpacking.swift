import SandboxModel
import ShimProtocol

/// Unpacks one tar archive: its bytes go in, files come out beneath a directory.
package final class TreeUnpacking {
    private var reader = TarReader()
    private let writer: EntryWriter

    /// `make` makes the directory when it isn't there; `progress` is called now and then while it goes on.
    package init(
        _ unpacking: Unpacking, owners: EntryWriter.Owners = .archives, progress: @escaping () -> Void,
        make: (String) throws(Fault) -> Void
    ) throws(Fault) {
        writer = try EntryWriter(unpacking, owners: owners, progress: progress, make: make)
    }

    package var entries: UInt64 { writer.budget.entries }
    /// Of all files, as announced so far.
    package var bytes: UInt64 { writer.budget.bytes }
    package var leftOut: LeftOut { writer.leftOut }

    /// Takes the next bytes, however they are cut. Throws what ends it; what was unpacked stays.
    package func take(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
        try writer.budget.takeStream(bytes.count)
        writer.progress()
        var index = 0
        while let event = try reader.next(bytes, at: &index) {
            switch event {
            case .entry(let entry): try writer.begin(entry)
            case .content(let offset, let range):
                try writer.write(UnsafeRawBufferPointer(rebasing: bytes[range]), at: offset)
            case .entryEnd: try writer.end()
            }
        }
    }

    /// Ends it: the archive must be whole.
    package func finish() throws(Fault) {
        try reader.finish()
        try writer.finish()
    }

    /// Gives directories what they were to get at the end, when there is no end.
    package func giveUp() { try? writer.finish() }
}

/// What was not unpacked, or packed, since it may not be.
package struct LeftOut {
    /// Of the first hundred.
    package private(set) var paths: [String] = []
    package private(set) var count: UInt64 = 0

    package init() {}

    mutating func take(_ path: [UInt8]) {
        count += 1
        if paths.count < ArchiveUnpacked.mostLeftOut {
            paths.append(String(decoding: path.prefix(TarFormat.longestName), as: UTF8.self))
        }
    }
}
