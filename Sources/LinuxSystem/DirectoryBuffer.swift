import CLinux
import Glibc

/// One portion of a directory's entries (getdents64(2)), with names as the bytes they are.
public final class DirectoryBuffer: Sequence {
    /// One entry; its name is valid until the buffer is filled again.
    public struct Entry {
        public let name: UnsafePointer<CChar>
        /// As in readdir(3): 4 is a directory, 0 a file system that doesn't tell.
        public let type: UInt8
    }

    private static let size = 32 * 1024
    private let bytes = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
    private var count = 0

    public init() {}

    deinit { bytes.deallocate() }

    /// Reads the next portion; false at the directory's end.
    public func fill(from directory: Int32) throws(SystemCallError) -> Bool {
        count = try check(cordon_directory_entries(directory, bytes, Self.size), "getdents64")
        return count > 0
    }

    /// The portion's entries, without `.` and `..`.
    public func makeIterator() -> AnyIterator<Entry> {
        var offset = 0
        return AnyIterator { [self] in
            while offset < count {
                // struct linux_dirent64: ino u64, off s64, reclen u16, type u8, name.
                let start = bytes + offset
                offset += Int(start.loadUnaligned(fromByteOffset: 16, as: UInt16.self))
                let name = UnsafePointer((start + 19).assumingMemoryBound(to: CChar.self))
                if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { continue }
                return Entry(name: name, type: start.load(fromByteOffset: 18, as: UInt8.self))
            }
            return nil
        }
    }
}
