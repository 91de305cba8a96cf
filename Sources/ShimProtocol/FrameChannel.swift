import CLinux
import Glibc
import LinuxSystem

/// A connected socket that carries frames, driven by an event loop. Bounded in both directions:
/// a peer that sends nonsense or takes nothing is cut off.
public final class FrameChannel {
    private static let mostOutbound = 8 << 20

    private let socket: Descriptor
    private let loop: EventLoop
    private var inbound = FrameAssembler()
    private var outbound: [UInt8] = []
    private var sent = 0
    private var isOpen = false
    /// Whether descriptors that come with the peer's frames are kept; otherwise the kernel closes them.
    public var takesDescriptors = false
    /// Those that came and weren't taken yet; owned.
    private var descriptors: [Int32] = []
    /// Called for each whole frame. Throwing closes the connection.
    public var onFrame: (Frame) throws -> Void = { _ in }
    /// Called once, when the connection is over; the channel may be let go then.
    public var onClose: () -> Void = {}

    /// Takes over a connected socket, and makes it non-blocking.
    public init(socket: consuming Descriptor, loop: EventLoop) {
        self.socket = socket
        self.loop = loop
    }

    deinit {
        for raw in descriptors { Glibc.close(raw) }
    }

    public var raw: Int32 { socket.raw }

    /// Starts to read.
    public func open() {
        isOpen = true
        _ = cordon_set_nonblocking(socket.raw)
        do {
            try loop.watch(socket.raw, for: .readable) { [unowned self] readiness in
                if readiness.contains(.writable) { self.flush() }
                if !readiness.subtracting(.writable).isEmpty { self.receive() }
            }
        } catch { close() }
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while isOpen {
            let count = receive(into: &buffer)
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { return }
            if count <= 0 {
                close()
                return
            }
            inbound.append(buffer[..<count])
            do {
                while isOpen, let frame = try inbound.next() { try onFrame(frame) }
            } catch {
                close()
                return
            }
            if count < buffer.count && !takesDescriptors { return }
        }
    }

    private func receive(into buffer: inout [UInt8]) -> Int {
        guard takesDescriptors else { return recv(socket.raw, &buffer, buffer.count, Int32(MSG_DONTWAIT)) }
        var received = [Int32](repeating: -1, count: 16)
        var found = Int32(received.count)
        let count = cordon_receive(socket.raw, &buffer, buffer.count, &received, &found)
        descriptors += received.prefix(Int(found))
        return count
    }

    /// The first descriptor that came and wasn't taken yet: they come in the order of their frames.
    public func takeDescriptor() -> Descriptor? {
        descriptors.isEmpty ? nil : Descriptor(owning: descriptors.removeFirst())
    }

    /// Sends a message together with a descriptor, which stays the caller's. A peer that hasn't taken what
    /// was sent before is cut off.
    public func send(_ message: some Message, request: UInt64, descriptor: borrowing Descriptor) {
        guard isOpen else { return }
        let bytes = Frame.bytes(message, request: request)
        let raw = descriptor.raw
        guard sent == outbound.count, cordon_send(socket.raw, bytes, bytes.count, [raw], 1) == bytes.count else {
            close()
            return
        }
    }

    /// Sends a message; what the socket doesn't take at once waits.
    public func send(_ message: some Message, request: UInt64) {
        guard isOpen else { return }
        let bytes = Frame.bytes(message, request: request)
        guard outbound.count - sent + bytes.count <= Self.mostOutbound else {
            close()
            return
        }
        // A peer that is always a little behind must not make us keep what it has taken.
        if sent > 64 * 1024, sent > outbound.count / 2 {
            outbound.removeFirst(sent)
            sent = 0
        }
        outbound.append(contentsOf: bytes)
        flush()
    }

    private func flush() {
        while isOpen, sent < outbound.count {
            let count = outbound[sent...].withUnsafeBytes {
                Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN {
                loop.change(socket.raw, to: [.readable, .writable])
                return
            }
            if count < 0 {
                close()
                return
            }
            sent += count
        }
        guard isOpen else { return }
        outbound.removeAll(keepingCapacity: outbound.count < 64 * 1024)
        sent = 0
        loop.change(socket.raw, to: .readable)
    }

    /// Waits until everything that was sent has been taken, at most a second.
    public func drain() {
        guard isOpen, sent < outbound.count else { return }
        _ = cordon_set_blocking_with_timeout(socket.raw)
        while sent < outbound.count {
            let count = outbound[sent...].withUnsafeBytes {
                Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }

    /// Ends the conversation and gives the socket away, to one who goes on with its peer. Throws when the
    /// peer has said more than was asked.
    public func detach() throws -> Descriptor {
        guard inbound.isEmpty, sent == outbound.count else { throw WireError("the peer did not wait for its answer") }
        let copy = try socket.duplicated()
        close()
        return copy
    }

    public func close() {
        guard isOpen else { return }
        isOpen = false
        loop.unwatch(socket.raw)
        // Not before the handler that runs now has returned.
        let onClose = self.onClose
        loop.afterTurn { onClose() }
    }
}
