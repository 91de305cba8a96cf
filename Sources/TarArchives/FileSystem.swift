import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension Descriptor {
    /// Opens by this process's own view, but through none of the kernel's magic links (proc(5)): what
    /// a process has open is nobody's file. Never waits for what is opened.
    package static func open(_ directory: Int32 = AT_FDCWD, _ path: String, _ flags: Int32, mode: UInt64 = 0)
        throws(Fault) -> Descriptor
    {
        let all = UInt64(UInt32(bitPattern: flags | O_NONBLOCK | O_NOCTTY))
        // O_PATH takes none of the others (open(2)).
        let taken = flags & cordon_o_path != 0 ? UInt64(UInt32(bitPattern: flags)) : all
        let raw = cordon_openat2(directory, path, taken, mode, UInt64(CORDON_RESOLVE_NO_MAGICLINKS))
        guard raw >= 0 else { throw Fault(errno: errno) }
        return Descriptor(owning: raw)
    }
}

extension DirectoryBuffer {
    /// As `fill`, but throws what an agent tells.
    package func read(from directory: Int32) throws(Fault) -> Bool {
        do { return try fill(from: directory) } catch { throw Fault(errno: error.errno) }
    }
}

extension Fault {
    /// The fault that an errno amounts to.
    package init(errno number: Int32) {
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
    /// What is open.
    package init(of descriptor: Int32) throws(Fault) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Fault(errno: errno) }
        self.init(status)
    }

    /// Those of a mode that tell the kind (inode(7)).
    static let kindBits: mode_t = 0o170000

    package init(_ status: stat) {
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
