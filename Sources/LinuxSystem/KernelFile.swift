import CLinux
import Glibc

/// Files of the kernel's own file systems (cgroups, proc): small, written in one piece.
public enum KernelFile {
    /// Writes `text` in one write(2).
    public static func write(_ text: String, to path: String) throws(SystemCallError) {
        let raw = try check(cordon_open(AT_FDCWD, path, O_WRONLY, 0), "open", path)
        let file = Descriptor(owning: raw)
        var text = text
        let count = text.withUTF8 { Glibc.write(file.raw, $0.baseAddress, $0.count) }
        try check(count, "write", path)
    }

    /// The file's text without its last newline, or nil when there is no such file.
    public static func read(_ path: String) throws(SystemCallError) -> String? {
        let raw = cordon_open(AT_FDCWD, path, O_RDONLY, 0)
        if raw < 0 {
            if errno == ENOENT { return nil }
            throw SystemCallError("open", path)
        }
        let file = Descriptor(owning: raw)
        var text = String(decoding: try readAll(file.raw, name: path), as: UTF8.self)
        if text.last == "\n" { text.removeLast() }
        return text
    }

    /// The value of `key` in a file of `key value` lines.
    public static func value(of key: String, in path: String) throws(SystemCallError) -> UInt64? {
        guard let text = try read(path) else { return nil }
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            if parts.count == 2, parts[0] == key { return UInt64(parts[1]) }
        }
        return nil
    }

    /// The number behind `prefix`, at the start of a line.
    public static func number(after prefix: String, in path: String) throws(SystemCallError) -> UInt64? {
        guard let text = try read(path) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(prefix) {
            return UInt64(line.dropFirst(prefix.count))
        }
        return nil
    }
}
