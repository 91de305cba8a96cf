/// One entry of a tar archive, as its headers describe it. Every value is the archive's maker's word.
package struct TarEntry: Equatable {
    package enum Kind: Equatable {
        case file
        case directory
        case symbolicLink
        case hardLink
        case fifo
        case device
    }

    /// Seconds since 1970 and the nanoseconds behind them.
    package struct Time: Equatable {
        package var seconds: Int64
        package var nanoseconds: UInt32

        package init(seconds: Int64, nanoseconds: UInt32 = 0) {
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }
    }

    /// An extended attribute of a file (xattr(7)).
    package struct Attribute: Equatable {
        package var name: [UInt8]
        package var value: [UInt8]

        package init(name: [UInt8], value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// A part of a sparse file that holds data; the rest of it is holes.
    package struct Segment: Equatable {
        package var offset: UInt64
        package var length: UInt64

        package init(offset: UInt64, length: UInt64) {
            self.offset = offset
            self.length = length
        }
    }

    package var kind: Kind
    /// As the archive has it: neither NUL nor longer than `TarFormat.longestName`, and nothing else is sure.
    package var name: [UInt8]
    /// What a link leads to.
    package var target: [UInt8] = []
    /// The lower twelve bits.
    package var mode: UInt32 = 0
    package var user: UInt32 = 0
    package var group: UInt32 = 0
    package var modified = Time(seconds: 0)
    /// Of the file, with its holes.
    package var size: UInt64 = 0
    /// Where its data lies; nil for a file without holes.
    package var segments: [Segment]?
    package var attributes: [Attribute] = []

    package init(kind: Kind, name: [UInt8]) {
        self.kind = kind
        self.name = name
    }

    /// How much data the archive holds for it.
    package var storedBytes: UInt64 { segments.map { $0.reduce(0) { $0 + $1.length } } ?? size }
}

/// The numbers of tar's format (tar(5), POSIX.1-2001 `pax`), and the bounds of ours.
package enum TarFormat {
    package static let block = 512
    package static let longestName = 4096
    /// Of one extended header, or of all global ones together.
    package static let longestExtension = 1 << 20
    package static let mostSegments = 1 << 16

    /// The bytes that fill up a block behind `count` others.
    package static func padding(_ count: UInt64) -> Int {
        (block - Int(count % UInt64(block))) % block
    }
}
