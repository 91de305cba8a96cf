import CordonClient
import Foundation

/// The detach keys were typed.
struct Detached: Error {}

/// What comes on our standard input, without the detach keys, which end it with `Detached`.
///
/// Reading ends when its task is cancelled, and takes nothing that it doesn't give.
struct LocalInput: AsyncSequence, Sendable {
    /// Nil for no input at all.
    let descriptor: Int32?
    var detachKeys: DetachKeys?

    func makeAsyncIterator() -> Iterator {
        Iterator(reader: descriptor.map { DescriptorReader($0) }, detachKeys: detachKeys)
    }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let reader: DescriptorReader?
        fileprivate var detachKeys: DetachKeys?
        fileprivate var isDetached = false

        mutating func next() async throws -> [UInt8]? {
            while true {
                if isDetached { throw Detached() }
                guard let typed = try await reader?.read() else { return nil }
                guard var keys = detachKeys else { return typed }
                let (passed, isDetached) = keys.filter(typed)
                detachKeys = keys
                self.isDetached = isDetached
                if !passed.isEmpty { return passed }
            }
        }
    }
}

/// Reads a descriptor on a thread that may wait, and can be woken from it.
private final class DescriptorReader: Sendable {
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "input")
    /// Readable once reading is to end.
    private let wake: (read: Int32, write: Int32)

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        wake = (ends[0], ends[1])
    }

    deinit {
        close(wake.read)
        close(wake.write)
    }

    /// The next bytes; nil at the end, and when the task is cancelled.
    func read() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.async { continuation.resume(with: Result { try self.readWaiting() }) }
            }
        } onCancel: {
            _ = Foundation.write(wake.write, [0], 1)
        }
    }

    private func readWaiting() throws -> [UInt8]? {
        while true {
            var polled = [
                pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0),
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 2, -1) >= 0 || errno == EINTR else { throw LocalFailure("poll", errno) }
            if polled[0].revents != 0 { return nil }
            guard polled[1].revents != 0 else { continue }
            let bytes = [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, count in
                count = max(0, Foundation.read(descriptor, buffer.baseAddress, buffer.count))
            }
            if !bytes.isEmpty { return bytes }
            // A terminal that has gone answers EIO.
            switch errno {
            case EINTR, EAGAIN: continue
            default: return nil
            }
        }
    }
}
