import CLinux
import Glibc
import ShimProtocol

extension TarEntry {
    /// Takes over what all kinds of files have.
    mutating func take(_ status: stat) {
        mode = UInt32(status.st_mode) & 0o7777
        (user, group) = (status.st_uid, status.st_gid)
        modified = Time(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(status.st_mtim.tv_nsec))
    }
}

/// Files with several names that have been packed once: the next name is a link to the first. Knows a bounded
/// number of them; what is beyond is packed again.
struct HardLinks {
    private struct File: Hashable {
        let device: dev_t
        let inode: ino_t
    }

    private static let most = 1 << 17
    private var paths: [File: [UInt8]] = [:]

    func path(of status: stat) -> [UInt8]? {
        status.st_nlink > 1 ? paths[File(device: status.st_dev, inode: status.st_ino)] : nil
    }

    mutating func remember(_ status: stat, _ path: [UInt8]) {
        guard status.st_nlink > 1, paths.count < Self.most else { return }
        paths[File(device: status.st_dev, inode: status.st_ino)] = path
    }
}

/// Where a file's data lies, as its file system says (lseek(2)).
enum HoleMap {
    // SEEK_DATA and SEEK_HOLE, which Swift doesn't see.
    private static let seekData: Int32 = 3
    private static let seekHole: Int32 = 4

    /// nil for a file without holes. A segment of length zero at the end tells of a hole there.
    static func segments(of file: Int32, _ status: stat) -> [TarEntry.Segment]? {
        let size = off_t(status.st_size)
        guard size > 0, Int64(status.st_blocks) < (Int64(size) - 1) / 512 + 1 else { return nil }
        var segments: [TarEntry.Segment] = []
        var end: off_t = 0
        while end < size {
            let start = lseek(file, end, seekData)
            if start < 0 && errno == ENXIO { break }
            // Nothing is known, or there are too many: the rest is data.
            if start < 0 || start >= size || segments.count == TarFormat.mostSegments - 2 {
                if start < 0 || start < size {
                    segments.append(TarEntry.Segment(offset: UInt64(end), length: UInt64(size - end)))
                    end = size
                }
                break
            }
            let hole = lseek(file, start, seekHole)
            end = hole > start ? min(hole, size) : size
            segments.append(TarEntry.Segment(offset: UInt64(start), length: UInt64(end - start)))
        }
        if segments == [TarEntry.Segment(offset: 0, length: UInt64(size))] { return nil }
        if end < size { segments.append(TarEntry.Segment(offset: UInt64(size), length: 0)) }
        return segments
    }
}

extension ExtendedAttributes {
    /// Those of an open file that go into archives. Throws when they are more than a header may hold.
    static func of(_ file: Int32, _ path: [UInt8]) throws(Fault) -> [TarEntry.Attribute] {
        let length = flistxattr(file, nil, 0)
        guard length > 0 else { return [] }
        var list = [CChar](repeating: 0, count: length)
        let listed = flistxattr(file, &list, list.count)
        guard listed > 0 else { return [] }
        var (found, size): ([TarEntry.Attribute], Int) = ([], 0)
        for name in list[..<listed].split(separator: 0) {
            let name = name.map { UInt8(bitPattern: $0) }
            guard areKept(name) else { continue }
            // The largest that Linux has (xattr(7)).
            var value = [UInt8](repeating: 0, count: 64 * 1024)
            let count = fgetxattr(file, name.terminated, &value, value.count)
            guard count >= 0 else { continue }
            size += name.count * 3 + count + 64
            guard size < TarFormat.longestExtension - 4 * TarFormat.longestName else {
                throw Fault(.tooLarge, note: "extended attributes").about(path)
            }
            found.append(TarEntry.Attribute(name: name, value: Array(value[..<count])))
        }
        return found
    }
}
