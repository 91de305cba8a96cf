import Foundation
import ProgramSupport
import SandboxModel
import ShimProtocol
import TarArchives
import Testing

/// The checks are in `Programs/archives.py`: a client that speaks with an agent, GNU tar, and Python's tarfile.
@Suite("Archives", .serialized, .timeLimit(.minutes(5)))
struct ArchiveTests {
    private func check(_ name: String, _ arguments: [String] = []) async throws {
        let (socket, thread) = try AgentThread.start()
        let program = try #require(
            Bundle.module.url(forResource: "archives", withExtension: "py", subdirectory: "Programs"))
        let (status, said) = try await onThread {
            // The agent ends once nobody has the socket's other end any more.
            defer { pthread_join(thread, nil) }
            return try HostProgram.run(
                "/usr/bin/env", ["python3", "-B", program.path, name] + arguments, input: socket, closingInput: true)
        }
        #expect(status == 0 && said == "ok\n", "\(name) \(arguments): \(said)")
    }

    @Test("what the agent packs, GNU tar, tarfile and the agent itself unpack to the same tree", arguments: 0..<6)
    func packed(round: Int) async throws { try await check("packed", ["\(Int.random(in: 0...99999))"]) }

    @Test("what GNU tar and tarfile pack in any format, the agent unpacks to the same tree", arguments: 0..<6)
    func unpacked(round: Int) async throws { try await check("unpacked", ["\(Int.random(in: 0...99999))"]) }

    @Test("an entry replaces what is in its way, and never writes through it")
    func replacing() async throws { try await check("replacing") }

    @Test("no name and no link in an archive leads out of the directory")
    func waysOut() async throws { try await check("ways_out") }

    @Test("what is no archive, or lies, is refused with what is wrong")
    func nonsense() async throws { try await check("nonsense") }

    @Test("bombs and millions of entries end at the budget")
    func budgets() async throws { try await check("budgets") }

    @Test("a layer's whiteouts hide what lay below, and its names follow the root's links")
    func layers() async throws { try await check("layers") }

    @Test("sockets, devices and the kernel's file systems aren't packed")
    func leftOut() async throws { try await check("left_out") }

    @Test("archives with bytes changed are unpacked or refused, and leave nothing outside", arguments: 0..<4)
    func mutations(round: Int) async throws { try await check("mutations", ["\(Int.random(in: 0...99999))"]) }
}

@Suite("Reading tar")
struct TarReaderTests {
    /// An event with its bytes.
    private enum Seen: Equatable {
        case entry(TarEntry)
        case content(UInt64, [UInt8])
        case end
    }

    private func events(_ archive: [UInt8], pieces: () -> Int) throws -> [Seen] {
        var (reader, seen, rest): (TarReader, [Seen], ArraySlice<UInt8>) = (TarReader(), [], archive[...])
        while !rest.isEmpty {
            let piece = Array(rest.prefix(pieces()))
            rest = rest.dropFirst(piece.count)
            var index = 0
            try piece.withUnsafeBytes { bytes in
                while let event = try reader.next(bytes, at: &index) {
                    switch event {
                    case .entry(let entry): seen.append(.entry(entry))
                    case .content(let offset, let range):
                        if case .content(let start, let before)? = seen.last, start + UInt64(before.count) == offset {
                            seen[seen.count - 1] = .content(start, before + bytes[range])
                        } else {
                            seen.append(.content(offset, Array(bytes[range])))
                        }
                    case .entryEnd: seen.append(.end)
                    }
                }
            }
        }
        try reader.finish()
        return seen
    }

    /// An archive of one entry of each kind, with numbers and names that ustar has no room for.
    private var entries: [TarEntry] {
        var long = TarEntry(kind: .file, name: [UInt8](repeating: 0xff, count: 3000))
        long.attributes = [.init(name: Array("user.a=b%".utf8), value: [0, 10, 255])]
        (long.user, long.group, long.mode) = (3_000_000_000, 2_097_152, 0o7777)
        long.modified = TarEntry.Time(seconds: -7, nanoseconds: 5)
        long.size = 700
        var sparse = TarEntry(kind: .file, name: Array("sparse".utf8))
        sparse.size = 1 << 40
        sparse.segments = [
            .init(offset: 5, length: 3), .init(offset: 1 << 30, length: 512), .init(offset: 1 << 40, length: 0),
        ]
        var link = TarEntry(kind: .symbolicLink, name: Array("link".utf8))
        link.target = [UInt8](repeating: UInt8(ascii: "t"), count: 4000)
        var hard = TarEntry(kind: .hardLink, name: Array("hard".utf8))
        hard.target = Array("sparse".utf8)
        return [
            long, sparse, TarEntry(kind: .directory, name: Array("directory/".utf8)), link, hard,
            TarEntry(kind: .fifo, name: Array("fifo".utf8)), TarEntry(kind: .file, name: Array("empty".utf8)),
        ]
    }

    @Test("what is written is read again, however its bytes are cut", arguments: 0..<8)
    func pieces(seed: Int) throws {
        var archive: [UInt8] = []
        var wanted: [Seen] = []
        for entry in entries {
            archive += TarWriter.header(of: entry)
            wanted.append(.entry(entry))
            let segments = entry.segments ?? [.init(offset: 0, length: entry.size)]
            for segment in segments where entry.kind == .file && segment.length > 0 {
                let bytes = (0..<Int(segment.length)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                archive += bytes
                wanted.append(.content(segment.offset, bytes))
            }
            archive += [UInt8](repeating: 0, count: TarFormat.padding(entry.storedBytes))
            wanted.append(.end)
        }
        archive += TarWriter.end
        let most = [1, 7, 511, 512, 513, 4096, 100_000, 3][seed]
        #expect(try events(archive) { Int.random(in: 1...most) } == wanted)
    }

    @Test("random bytes never do more than be refused")
    func random() {
        for _ in 0..<300 {
            let bytes = (0..<Int.random(in: 0...3000)).map { _ in UInt8.random(in: 0...255) }
            #expect(throws: Fault.self) { try events(bytes) { 700 } }
        }
    }
}
