import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

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
        case .listDirectory: try list(try frame.decode())
        case .makeDirectory: try makeDirectory(try frame.decode())
        case .removeFile: try remove(try frame.decode())
        case .renameFile: try rename(try frame.decode())
        case .changeMode: try changeMode(try frame.decode())
        // The rest of a file whose writing has failed.
        case .fileData, .fileEnd: break
        default: throw Fault(.invalid)
        }
    }

    // MARK: What every operation uses

    /// Opens by the sandbox's own view, but through none of the kernel's magic links (proc(5)): what
    /// this process has open is nobody's file.
    static func open(_ directory: Int32 = AT_FDCWD, _ path: String, _ flags: Int32, mode: UInt64 = 0) throws(Fault)
        -> Descriptor
    {
        let all = UInt64(UInt32(bitPattern: flags | O_NONBLOCK | O_NOCTTY))
        // O_PATH takes none of the others (open(2)).
        let taken = flags & cordon_o_path != 0 ? UInt64(UInt32(bitPattern: flags)) : all
        let raw = cordon_openat2(directory, path, taken, mode, UInt64(CORDON_RESOLVE_NO_MAGICLINKS))
        guard raw >= 0 else { throw Fault(errno: errno) }
        return Descriptor(owning: raw)
    }

    /// What a path names. Looks without opening: that has effects on devices and FIFOs.
    static func attributes(_ path: String, follows: Bool) throws(Fault) -> FileAttributes {
        let handle = try open(AT_FDCWD, path, cordon_o_path | (follows ? 0 : O_NOFOLLOW))
        return try attributes(of: handle.raw)
    }

    static func attributes(of descriptor: Int32) throws(Fault) -> FileAttributes {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Fault(errno: errno) }
        return FileAttributes(status)
    }

    /// The directory that holds a path's last name, and that name, which is none of `.` and `..`.
    struct Place: ~Copyable {
        /// Open until this value goes.
        let directory: Int32
        let name: String

        deinit { close(directory) }
    }

    static func place(_ path: String) throws(Fault) -> Place {
        let trimmed = path.utf8.lastIndex { $0 != UInt8(ascii: "/") }.map { path[...$0] } ?? ""
        guard let slash = trimmed.utf8.lastIndex(of: UInt8(ascii: "/")) else { throw Fault(.invalid) }
        let name = String(trimmed[trimmed.index(after: slash)...])
        guard !name.isEmpty, name != ".", name != ".." else { throw Fault(.invalid) }
        return Place(
            directory: try open(AT_FDCWD, String(trimmed[...slash]), cordon_o_path | O_DIRECTORY).release(), name: name)
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

extension Fault {
    /// The fault that an errno amounts to.
    init(errno number: Int32) {
        let fault: FileFault =
            switch number {
            case ENOENT: .notFound
            case ENOTDIR: .notADirectory
            case EISDIR: .isADirectory
            case EEXIST: .exists
            case ENOTEMPTY: .notEmpty
            case EACCES, EPERM: .permissionDenied
            case EROFS: .readOnly
            case ENOSPC, EDQUOT: .noSpace
            case EFBIG: .tooLarge
            case ENAMETOOLONG: .nameTooLong
            case ELOOP: .linkLoop
            case EXDEV: .otherFileSystem
            case EBUSY, ETXTBSY: .busy
            // A FIFO without a reader, a device without its driver, a socket.
            case ENXIO, ENODEV: .notARegularFile
            case EINVAL: .invalid
            default: .failed
            }
        self.init(fault)
    }
}

extension FileAttributes {
    /// Those of a mode that tell the kind (inode(7)).
    static let kindBits: mode_t = 0o170000

    init(_ status: stat) {
        let kind: FileKind =
            switch status.st_mode & Self.kindBits {
            case 0o100000: .file
            case 0o040000: .directory
            case 0o120000: .link
            case 0o010000: .fifo
            case 0o140000: .socket
            case 0o020000: .characterDevice
            case 0o060000: .blockDevice
            default: .unknown
            }
        let (seconds, overflow) = Int64(status.st_mtim.tv_sec).multipliedReportingOverflow(by: 1_000_000)
        self.init(
            kind: kind, size: UInt64(max(0, status.st_size)), mode: UInt32(status.st_mode) & 0o7777,
            user: status.st_uid, group: status.st_gid,
            modifiedAt: Timestamp(
                microseconds: overflow ? 0 : seconds &+ Int64(status.st_mtim.tv_nsec) / 1000))
    }
}
