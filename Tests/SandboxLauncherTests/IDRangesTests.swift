import Glibc
import LinuxSystem
import SandboxLauncher
import Testing

@Suite("Host ids for sandboxes", .serialized)
struct IDRangesTests {
    private func withRegistry(_ body: (_ registry: String, _ instance: (String) throws -> String) throws -> Void) throws
    {
        var template = Array("/tmp/cordon-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", "/tmp") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            if let temporary = try? Directory(path: "/tmp") {
                var removal = TreeRemoval(in: temporary)
                try? removal.remove(String(path.dropFirst("/tmp/".count)))
            }
        }
        let directory = try Directory(path: path)
        try body(path + "/ids") { name in
            try directory.make(name).make("slots")
            return "\(path)/\(name)"
        }
    }

    @Test("two instances never get the same range, nor one the same twice")
    func apart() throws {
        try withRegistry { registry, instance in
            let first = try IDRanges(owner: instance("a"), registry: registry)
            let second = try IDRanges(owner: instance("b"), registry: registry)
            var seen: Set<UInt32> = []
            for _ in 0..<200 {
                #expect(seen.insert(try first.take()).inserted)
                #expect(seen.insert(try second.take()).inserted)
            }
            #expect(seen.allSatisfy { $0 >= 0x7000_0000 + 64 * 65_536 && $0 % 65_536 == 0 && $0 < 0x8000_0000 })
        }
    }

    @Test("a range that is given back is there again")
    func release() throws {
        try withRegistry { registry, instance in
            let ranges = try IDRanges(owner: instance("a"), registry: registry)
            let base = try ranges.take()
            ranges.release(base)
            ranges.release(base)
            #expect(try ranges.take() == base)
            #expect(try ranges.take() != base)
        }
    }

    @Test("a launcher's successor takes its blocks again; nobody else does while slots are there")
    func successor() throws {
        try withRegistry { registry, instance in
            let owner = try instance("a")
            var first: IDRanges? = try IDRanges(owner: owner, registry: registry)
            let base = try #require(try first?.take())
            try Directory(path: owner + "/slots").make("m1")
            first = nil
            let other = try IDRanges(owner: instance("b"), registry: registry)
            for _ in 0..<128 { #expect(try other.take() / (64 * 65_536) != base / (64 * 65_536)) }
            let successor = try IDRanges(owner: owner, registry: registry)
            try successor.adopt(base)
            for _ in 0..<63 { #expect(try successor.take() != base) }
        }
    }

    @Test("a block is free once its owner is gone, with its directory or with its slots", arguments: [true, false])
    func reclaimed(_ isRemoved: Bool) throws {
        try withRegistry { registry, instance in
            let owner = try instance("a")
            var first: IDRanges? = try IDRanges(owner: owner, registry: registry)
            let base = try #require(try first?.take())
            first = nil
            if isRemoved {
                rmdir(owner + "/slots")
                rmdir(owner)
            }
            #expect(try IDRanges(owner: instance("b"), registry: registry).take() == base)
        }
    }
}
