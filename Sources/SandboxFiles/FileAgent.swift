import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol
import TarArchives

/// The program inside that works on a sandbox's files for the service: an ordinary process without
/// any right of its own, so that every path means what it means there.
///
/// One thread, one operation at a time, from frames on a descriptor to frames on another. What is
/// inside may change anything under it, stop it or kill it; that disturbs nobody outside.
public final class FileAgent {
    let wire: AgentWire

    /// Reads requests from `input` and answers on `output`, which may be one socket.
    package init(input: Int32, output: Int32) { wire = AgentWire(input: input, output: output) }

    /// The program: serves its standard input and output until the end of input.
    public static func run() -> Never {
        signal(SIGPIPE, SIG_IGN)
        do {
            try FileAgent(input: 0, output: 1).serve()
            exit(0)
        } catch {
            exit(1)
        }
    }

    /// Serves until the end of input; throws when the service is gone or isn't understood.
    package func serve() throws {
        try wire.send(FilesReady())
        while let frame = try wire.next() {
            do {
                try serve(frame)
            } catch let fault as Fault { try wire.send(fault) }
        }
    }

    private func serve(_ frame: Frame) throws {
        switch MessageType(rawValue: frame.type) {
        case .writeFile: try write(try frame.decode())
        case .readFile: try read(try frame.decode())
        case .describeFile:
            let request: DescribeFile = try frame.decode()
            try wire.send(FileState(attributes: try Self.attributes(request.path, follows: request.followsLinks)))
        case .digestFile: try digest(try frame.decode())
        case .listDirectory: try list(try frame.decode())
        case .makeDirectory: try makeDirectory(try frame.decode())
        case .removeFile: try remove(try frame.decode())
        case .renameFile: try rename(try frame.decode())
        case .changeMode: try changeMode(try frame.decode())
        case .unpackArchive: try unpack(try frame.decode())
        case .packDirectory: try pack(try frame.decode())
        case .watchFiles: try watch(try frame.decode())
        // The rest of a file whose writing has failed.
        case .fileData, .fileEnd: break
        default: throw Fault(.invalid)
        }
    }

    // MARK: What every operation uses

    /// What a path names. Looks without opening: that has effects on devices and FIFOs.
    static func attributes(_ path: String, follows: Bool) throws(Fault) -> FileAttributes {
        let handle = try Descriptor.open(AT_FDCWD, path, cordon_o_path | (follows ? 0 : O_NOFOLLOW))
        var attributes = try FileAttributes(of: handle.raw)
        guard attributes.kind == .link else { return attributes }
        // Of the very link that was opened (readlinkat(2) with an empty path).
        var target = [UInt8](repeating: 0, count: FilePath.maximumBytes)
        let count = target.withUnsafeMutableBytes { buffer in
            buffer.assumingMemoryBound(to: CChar.self).baseAddress.map { readlinkat(handle.raw, "", $0, buffer.count) }
                ?? 0
        }
        if count > 0 { attributes.linkTarget = Array(target.prefix(count)) }
        return attributes
    }

    /// The directory that holds a path's last name, and that name, which is none of `.` and `..`.
    struct Place: ~Copyable {
        /// Open until this value goes.
        let directory: Int32
        let name: String

        deinit { close(directory) }
    }

    static func place(_ path: String) throws(Fault) -> Place {
        // By bytes: a name's first character may join the slash before it (a combining mark does).
        let trimmed =
            path.utf8.lastIndex { $0 != UInt8(ascii: "/") }.map { path.utf8[...$0] } ?? path.utf8[..<path.startIndex]
        guard let slash = trimmed.lastIndex(of: UInt8(ascii: "/")) else { throw Fault(.invalid) }
        let name = String(decoding: trimmed[trimmed.index(after: slash)...], as: UTF8.self)
        guard !name.isEmpty, name != ".", name != ".." else { throw Fault(.invalid) }
        return Place(
            directory: try Descriptor.open(
                AT_FDCWD, String(decoding: trimmed[...slash], as: UTF8.self), cordon_o_path | O_DIRECTORY
            ).release(),
            name: name)
    }

    /// Throws unless what was opened, or is there to be opened, is a regular file.
    static func requireRegular(_ attributes: FileAttributes) throws(Fault) {
        switch attributes.kind {
        case .file: return
        case .directory: throw Fault(.isADirectory)
        default: throw Fault(.notARegularFile)
        }
    }
}
