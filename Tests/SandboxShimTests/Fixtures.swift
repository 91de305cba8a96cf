import CLinux
import Glibc
import LinuxSystem
import SandboxShim

/// A pipe whose reading end doesn't block.
final class TestPipe {
    let reader: Descriptor
    /// The reading end as a stream's.
    let source: OutputSource
    private(set) var writer: SharedDescriptor

    init() throws {
        var ends: [Int32] = [-1, -1]
        try check(cordon_pipe(&ends, true), "pipe")
        let reader = Descriptor(owning: ends[0])
        source = OutputSource(pipe: try reader.duplicated())
        self.reader = consume reader
        writer = SharedDescriptor(Descriptor(owning: ends[1]))
        _ = cordon_set_pipe_size(ends[1], 1 << 20)
    }

    func closeWriter() { if let null = try? Directory(path: "/").descriptorCopy() { writer = SharedDescriptor(null) } }

    /// The reading end, for somebody else to own.
    func takeReader() throws -> Descriptor { try reader.duplicated() }
}

/// A directory below `/tmp` for one test.
func withDirectory<Result>(_ body: (Directory) throws -> Result) throws -> Result {
    var template = Array("/tmp/cordon-unit-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", "/tmp") }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
        if let temporary = try? Directory(path: "/tmp") {
            var removal = TreeRemoval(in: temporary)
            try? removal.remove(String(path.dropFirst("/tmp/".count)))
        }
    }
    return try body(Directory(path: path))
}

/// A generator whose sequence a seed gives.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
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
