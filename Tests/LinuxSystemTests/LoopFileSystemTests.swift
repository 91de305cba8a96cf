import CLinux
import Foundation
import LinuxSystem
import ProgramSupport
import Testing

@Suite("File systems in files", .serialized, .enabled(if: getuid() == 0))
struct LoopFileSystemTests {
    private func image(_ name: String, in directory: Directory) throws -> Descriptor {
        let file = try directory.open(name, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        try check(ftruncate(file.raw, 16 << 20), "truncate")
        let (status, output) = try HostProgram.run(
            "/usr/sbin/mke2fs", ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "\(directory.name)/\(name)"])
        #expect(status == 0, "\(output)")
        return file
    }

    @Test("one holds no more than its size, is one and the same in each mount, and its device goes with the last")
    func mounts() throws {
        try withDirectory { directory in
            let file = try image("image", in: directory)
            var first: LoopFileSystem? = try LoopFileSystem(in: file, label: "test")
            let number = first?.number ?? -1
            var second: LoopFileSystem? = try LoopFileSystem(mountedFrom: number, image: file)
            try first?.root.replace("note", with: Array("here".utf8))
            #expect(try second?.root.read("note") == Array("here".utf8))
            #expect(try second?.readOnlyRoot().read("note") == Array("here".utf8))
            #expect(throws: SystemCallError.self) { try second?.readOnlyRoot().replace("no", with: []) }
            let error = #expect(throws: SystemCallError.self) {
                try second?.root.replace("much", with: [UInt8](repeating: 1, count: 32 << 20))
            }
            #expect(error?.errno == ENOSPC)
            // Another file's isn't taken for it.
            let other = try image("other", in: directory)
            #expect(throws: SystemCallError.self) { try LoopFileSystem(mountedFrom: number, image: other) }
            let loop = Descriptor(owning: try check(cordon_loop_open(number), "open"))
            #expect(cordon_loop_shows(loop.raw, file.raw))
            _ = consume loop
            first = nil
            second?.abandon()
            second = nil
            var isThere = true
            for _ in 0..<600 where isThere {
                let loop = Descriptor(owning: try check(cordon_loop_open(number), "open"))
                isThere = cordon_loop_shows(loop.raw, file.raw)
                _ = consume loop
                if isThere { usleep(100_000) }
            }
            #expect(!isThere)
        }
    }
}
