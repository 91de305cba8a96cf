import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol
import TarArchives

extension FileAgent {
    // MARK: Listing

    /// Sends the first names behind a name. The directory is read whole, however large it is; only a
    /// page's names are held, twice at most.
    func list(_ request: ListDirectory) throws {
        let limit = Int(min(max(request.limit, 1), UInt32(ListDirectory.maximumEntries)))
        let directory = try Descriptor.open(AT_FDCWD, request.path, O_RDONLY | O_DIRECTORY)
        var names: [[UInt8]] = []
        var isCut = false
        func cut() {
            names.sort { $0.lexicographicallyPrecedes($1) }
            guard names.count > limit else { return }
            isCut = true
            names.removeSubrange(limit...)
        }
        let buffer = DirectoryBuffer()
        while try buffer.read(from: directory.raw) {
            wire.stillWorking()
            for entry in buffer {
                let name = UnsafeBufferPointer(start: entry.name, count: strlen(entry.name))
                    .map { UInt8(bitPattern: $0) }
                guard request.after.lexicographicallyPrecedes(name) else { continue }
                names.append(name)
                if names.count >= limit * 2 + 64 { cut() }
            }
        }
        cut()
        try send(names, in: directory.raw, hasMore: isCut)
    }

    private func send(_ names: [[UInt8]], in directory: Int32, hasMore: Bool) throws {
        var entries: [DirectoryEntry] = []
        for name in names {
            var status = stat()
            let found = fstatat(directory, name.map { CChar(bitPattern: $0) } + [0], &status, AT_SYMLINK_NOFOLLOW)
            // Gone since it was listed.
            guard found == 0 else { continue }
            entries.append(DirectoryEntry(name: name, attributes: FileAttributes(status)))
            if entries.count == 1000 {
                try wire.send(DirectoryListing(entries: entries, isLast: false, hasMore: hasMore))
                entries.removeAll()
            }
        }
        try wire.send(DirectoryListing(entries: entries, isLast: true, hasMore: hasMore))
    }

    // MARK: Changing

    func makeDirectory(_ request: MakeDirectory) throws {
        if request.parents {
            try makeAll(request.path, mode: request.mode)
        } else {
            guard mkdir(request.path, mode_t(request.mode ?? 0o755)) == 0 else { throw Fault(errno: errno) }
        }
        if let mode = request.mode { try setMode(request.path, mode) }
        try wire.send(Done())
    }

    /// Makes a directory and what is missing on the way to it.
    func makeAll(_ path: String, mode: UInt32? = nil) throws(Fault) {
        // Most often it is there.
        if mkdir(path, mode_t(mode ?? 0o755)) == 0 { return }
        if errno == ENOENT {
            let bytes = path.utf8
            var end = bytes.startIndex
            while let slash = bytes[end...].firstIndex(of: UInt8(ascii: "/")) {
                end = bytes.index(after: slash)
                let part = String(decoding: bytes[..<slash], as: UTF8.self)
                if !part.isEmpty, mkdir(part, 0o755) < 0, errno != EEXIST, errno != EISDIR { throw Fault(errno: errno) }
            }
            if mkdir(path, mode_t(mode ?? 0o755)) == 0 { return }
        }
        // mkdir of `/`, `.` and the like fails in its own ways: what counts is what is there.
        let error = errno
        var status = stat()
        guard stat(path, &status) == 0 else { throw Fault(errno: error) }
        guard FileAttributes(status).kind == .directory else { throw Fault(.notADirectory) }
    }

    func remove(_ request: RemoveFile) throws {
        let place = try Self.place(request.path)
        guard unlinkat(place.directory, place.name, 0) != 0 else { return try wire.send(Done()) }
        guard errno == EISDIR || errno == EPERM else { throw Fault(errno: errno) }
        if unlinkat(place.directory, place.name, AT_REMOVEDIR) != 0 {
            guard errno == ENOTEMPTY || errno == EEXIST, request.recursive else {
                throw Fault(errno: errno == EEXIST ? ENOTEMPTY : errno)
            }
            do {
                let parent = Directory(
                    owning: Descriptor(owning: try check(cordon_duplicate(place.directory), "dup")), name: "")
                var removal = TreeRemoval(in: parent) { [wire] in wire.stillWorking() }
                try removal.remove(place.name)
            } catch { throw Fault(errno: error.errno) }
        }
        try wire.send(Done())
    }

    func rename(_ request: RenameFile) throws {
        let from = try Self.place(request.path)
        let to = try Self.place(request.other)
        let result =
            request.replaces
            ? renameat(from.directory, from.name, to.directory, to.name)
            : cordon_rename_noreplace(from.directory, from.name, to.directory, to.name)
        guard result == 0 else { throw Fault(errno: errno == EEXIST && request.replaces ? ENOTEMPTY : errno) }
        try wire.send(Done())
    }

    func changeMode(_ request: ChangeMode) throws {
        try setMode(request.path, request.mode)
        try wire.send(Done())
    }

    private func setMode(_ path: String, _ mode: UInt32) throws(Fault) {
        guard chmod(path, mode_t(mode & 0o7777)) == 0 else { throw Fault(errno: errno) }
    }
}
