import CLinux
import Glibc
import LinuxSystem
import Synchronization
import Testing

@Suite("A directory held open")
struct DirectoryTests {
    @Test("a reader sees a replaced file's old content or its new one, never a part")
    func replaceIsAtomic() throws {
        try withDirectory { directory in
            let size = 64 * 1024
            try directory.replace("record", with: [UInt8](repeating: 0, count: size))
            let isDone = Atomic(false)
            let writer = Worker {
                for round in 1...300 {
                    try? directory.replace("record", with: [UInt8](repeating: UInt8(round % 256), count: size))
                }
                isDone.store(true, ordering: .releasing)
            }
            while !isDone.load(ordering: .acquiring) {
                let content = try #require(try directory.read("record"))
                #expect(content.count == size)
                #expect(Set(content).count == 1)
            }
            writer.join()
        }
    }

    @Test("what a writer that was killed has left is in nobody's way")
    func replaceAfterCrash() throws {
        try withDirectory { directory in
            try directory.replace(".record.new", with: [9])
            try directory.replace("record", with: [1])
            #expect(try directory.read("record") == [1])
        }
    }

    @Test(
        "no part of a name may be a link, nor lead out",
        arguments: ["link", "link/file", "../x", "/etc/passwd", "sub/../../x"])
    func linksAreRefused(_ name: String) throws {
        try withDirectory { directory in
            try check(symlinkat("/etc", directory.raw, "link"), "symlink")
            try directory.make("sub")
            #expect(throws: SystemCallError.self) { _ = try directory.open(name, O_RDONLY) }
            #expect(throws: SystemCallError.self) { _ = try directory.directory(name) }
        }
    }

    @Test("reading stops at its limit, and a missing file is nil")
    func reading() throws {
        try withDirectory { directory in
            try directory.replace("file", with: [UInt8](repeating: 5, count: 100_000))
            #expect(try directory.read("file", limit: 1000)?.count == 1000)
            #expect(try directory.read("none") == nil)
        }
    }
}

/// A thread that does one thing.
final class Worker: @unchecked Sendable {
    private var thread = pthread_t()
    private let body: () -> Void

    init(_ body: @escaping () -> Void) {
        self.body = body
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Worker>.fromOpaque(context).takeRetainedValue().body() }
                return nil
            }, context)
    }

    func join() { pthread_join(thread, nil) }
}
