public import CordonAPI
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// An exec with this process's own stdin, stdout and stderr at its ends.
public struct AttachedExec: Sendable {
    private let client: CordonClient
    private let exec: String
    private let sandbox: String
    private let takesStdin: Bool

    /// Reads and writes of our own descriptors, which may block for as long as their other ends like.
    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 3)
        pool.start()
        return pool
    }()

    public init(_ client: CordonClient, exec: String, in sandbox: String, takesStdin: Bool) {
        self.client = client
        self.exec = exec
        self.sandbox = sandbox
        self.takesStdin = takesStdin
    }

    /// Streams until the exec is over and all its output has been written; answers with its result.
    /// Bytes that are gone are told of on stderr.
    public func run() async throws -> EndResult {
        let input = Task { [self] in
            guard takesStdin else { return }
            try await client.feed(Self.standardInput, to: exec, in: sandbox)
        }
        // Reading our stdin can't be interrupted; what hangs there goes with the process.
        defer { input.cancel() }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await copy(.stdout, to: 1) }
            group.addTask { try await copy(.stderr, to: 2) }
            let result = try await client.wait(for: exec, in: sandbox)
            try await group.waitForAll()
            return result
        }
    }

    private func copy(_ stream: OutputName, to descriptor: Int32) async throws {
        try await client.follow(
            stream, of: exec, in: sandbox,
            onGap: { bytes in
                let text = "cordon: \(ClientError.gap(stream: stream.rawValue, bytes: bytes))\n"
                try await Self.write(Array(text.utf8), to: 2)
            },
            { bytes in try await Self.write(Array(bytes), to: descriptor) })
    }

    /// Our stdin, in pieces.
    static var standardInput: AsyncStream<[UInt8]> {
        AsyncStream(unfolding: {
            try? await threads.runIfActive {
                var piece = [UInt8](repeating: 0, count: 64 * 1024)
                let count = read(0, &piece, piece.count)
                return count > 0 ? Array(piece.prefix(count)) : nil
            }
        })
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) async throws {
        try await threads.runIfActive {
            var written = 0
            while written < bytes.count {
                let count = bytes[written...].withUnsafeBytes { writeBytes(descriptor, $0) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    throw ClientError.unexpected("writing to descriptor \(descriptor) failed: errno \(errno)")
                }
                written += count
            }
        }
    }
}

/// write(2), under a name that a method called `write` doesn't hide.
private func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}
