import CLinux
import Glibc

/// What a writable layer held at one moment: enough to tell which of its entries have changed since.
///
/// A file is the same as long as its inode and the time of its last change (ctime, which nobody can set) are.
public final class TreeStamps {
    /// What an entry was.
    enum Kind: UInt8 {
        case end = 0
        case leaf = 1
        case directory = 2
        /// Something below that was removed.
        case whiteout = 3
    }

    let kind: Kind
    let inode: UInt64
    let seconds: Int64
    let nanoseconds: Int64
    let mode: UInt32
    let user: UInt32
    let group: UInt32
    /// Of a directory: nothing of what it lies on is seen in it.
    let isOpaque: Bool
    var children: [[UInt8]: TreeStamps] = [:]

    init(_ kind: Kind, _ status: stat, isOpaque: Bool = false) {
        self.kind = kind
        self.isOpaque = isOpaque
        inode = UInt64(status.st_ino)
        seconds = Int64(status.st_ctim.tv_sec)
        nanoseconds = Int64(status.st_ctim.tv_nsec)
        mode = status.st_mode
        user = status.st_uid
        group = status.st_gid
    }

    /// Whether a leaf is the one that was stamped, unchanged.
    func isSame(_ status: stat) -> Bool {
        kind == .leaf && inode == UInt64(status.st_ino) && seconds == Int64(status.st_ctim.tv_sec)
            && nanoseconds == Int64(status.st_ctim.tv_nsec)
    }

    /// Whether a directory's own attributes are those that it had.
    func hasAttributes(_ status: stat) -> Bool {
        kind == .directory && mode == status.st_mode && user == status.st_uid && group == status.st_gid
    }

    // MARK: On disk

    /// Writes the whole tree, in the host's byte order: only the machine that it is of reads it.
    public func write(to file: Int32) throws(SystemCallError) {
        var bytes: [UInt8] = []
        try encode(name: [], into: &bytes, file)
        try Self.flush(&bytes, to: file)
    }

    private func encode(name: [UInt8], into bytes: inout [UInt8], _ file: Int32) throws(SystemCallError) {
        bytes.append(kind.rawValue)
        bytes.append(isOpaque ? 1 : 0)
        withUnsafeBytes(of: UInt16(name.count)) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: name)
        for word in [inode, UInt64(bitPattern: seconds), UInt64(bitPattern: nanoseconds)] {
            withUnsafeBytes(of: word) { bytes.append(contentsOf: $0) }
        }
        for word in [mode, user, group] { withUnsafeBytes(of: word) { bytes.append(contentsOf: $0) } }
        if kind == .directory {
            for (name, child) in children { try child.encode(name: name, into: &bytes, file) }
            bytes.append(Kind.end.rawValue)
        }
        if bytes.count > 1 << 20 { try Self.flush(&bytes, to: file) }
    }

    private static func flush(_ bytes: inout [UInt8], to file: Int32) throws(SystemCallError) {
        do {
            try bytes.withUnsafeBytes { try writeAll($0, to: file) }
        } catch { throw error as? SystemCallError ?? SystemCallError("write", "stamps", errno: EIO) }
        bytes = []
    }

    /// What `write` wrote; nil when that isn't it.
    public static func read(_ bytes: [UInt8]) -> TreeStamps? {
        var offset = 0
        guard let (_, stamps) = decode(bytes, &offset, depth: 0), offset == bytes.count else { return nil }
        return stamps
    }

    private init(_ kind: Kind, isOpaque: Bool, words: [UInt64], attributes: [UInt32]) {
        self.kind = kind
        self.isOpaque = isOpaque
        inode = words[0]
        seconds = Int64(bitPattern: words[1])
        nanoseconds = Int64(bitPattern: words[2])
        (mode, user, group) = (attributes[0], attributes[1], attributes[2])
    }

    private static func decode(_ bytes: [UInt8], _ offset: inout Int, depth: Int) -> ([UInt8], TreeStamps)? {
        func word<Word: FixedWidthInteger>(_ type: Word.Type) -> Word? {
            let size = MemoryLayout<Word>.size
            guard offset + size <= bytes.count else { return nil }
            defer { offset += size }
            return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Word.self) }
        }
        guard depth <= TreeCopy.deepest, let kind = word(UInt8.self).flatMap({ Kind(rawValue: $0) }), kind != .end,
            let opaque = word(UInt8.self), let length = word(UInt16.self), offset + Int(length) <= bytes.count
        else { return nil }
        let name = Array(bytes[offset..<offset + Int(length)])
        offset += Int(length)
        var words: [UInt64] = []
        var attributes: [UInt32] = []
        for _ in 0..<3 { if let next = word(UInt64.self) { words.append(next) } }
        for _ in 0..<3 { if let next = word(UInt32.self) { attributes.append(next) } }
        guard words.count == 3, attributes.count == 3 else { return nil }
        let stamps = TreeStamps(kind, isOpaque: opaque == 1, words: words, attributes: attributes)
        guard kind == .directory else { return (name, stamps) }
        while offset < bytes.count {
            if bytes[offset] == Kind.end.rawValue {
                offset += 1
                return (name, stamps)
            }
            guard let (childName, child) = decode(bytes, &offset, depth: depth + 1) else { return nil }
            stamps.children[childName] = child
        }
        return nil
    }
}
