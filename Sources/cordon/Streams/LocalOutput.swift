import CordonClient
import Foundation
import NIOCore

/// Whoever read our output has closed it.
struct OutputClosed: Error {}

/// Our standard output and error, written whole and in order on a thread that may wait.
enum LocalOutput {
    private static let queue = DispatchQueue(label: "output")

    /// Throws `OutputClosed` when nobody reads any more.
    static func write(_ bytes: ByteBuffer, to stream: OutputName) async throws {
        try await withCheckedThrowingContinuation { continuation in
            queue.async {
                continuation.resume(
                    with: Result {
                        try bytes.withUnsafeReadableBytes { try writeAll($0, to: stream == .stdout ? 1 : 2) }
                    })
            }
        }
    }

    /// Tells of bytes that are gone.
    static func tellGap(_ stream: OutputName, _ count: UInt64) {
        say("\(ClientError.gap(stream: stream.rawValue, bytes: count))")
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&polled, 1, -1)
            case EPIPE, EIO: throw OutputClosed()
            default: throw LocalFailure("write", errno)
            }
        }
    }
}
