import CLinux
import Glibc
import LinuxSystem

/// Carries bytes from one socket to another: a direction has one only while bytes are in it.
protocol RelayCarrier: AnyObject {
    /// How many bytes are in it.
    var fill: Int { get }
    /// Takes what a socket has now into an empty carrier; as read(2), never blocking.
    func take(from socket: Int32) -> Int
    /// Gives a socket what it has room for now; as write(2), never blocking.
    func give(to socket: Int32) -> Int
}

/// Memory of the service's own: where there is some, the quicker way by a quarter and more.
final class RelayBuffer: RelayCarrier {
    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    private var start = 0
    private(set) var fill = 0

    deinit { bytes.deallocate() }

    func take(from socket: Int32) -> Int {
        var count: Int
        repeat {
            count = recv(socket, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT))
        } while count < 0
            && errno == EINTR
        if count > 0 { (start, fill) = (0, count) }
        return count
    }

    func give(to socket: Int32) -> Int {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[start..<start + fill])
        var count: Int
        repeat {
            count = send(socket, rest.baseAddress, rest.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        } while count < 0
            && errno == EINTR
        if count > 0 {
            start += count
            fill -= count
        }
        return count
    }
}

/// A pipe that bytes are spliced through: they stay in the kernel, which bounds what all of them hold.
final class RelayPipe: RelayCarrier {
    private static let capacity = 1 << 20

    private let reader: Descriptor
    private let writer: Descriptor
    private(set) var fill = 0

    init() throws(SystemCallError) {
        var pair: [Int32] = [-1, -1]
        try check(cordon_pipe_nonblocking(&pair), "pipe2")
        reader = Descriptor(owning: pair[0])
        writer = Descriptor(owning: pair[1])
        // Where the account may have less, the kernel gives less.
        _ = cordon_set_pipe_size(writer.raw, Int32(Self.capacity))
    }

    func take(from socket: Int32) -> Int {
        let count = cordon_splice(socket, writer.raw, Self.capacity)
        if count > 0 { fill = count }
        return count
    }

    func give(to socket: Int32) -> Int {
        let count = cordon_splice(reader.raw, socket, fill)
        if count > 0 { fill -= count }
        return count
    }
}

/// The carriers of one thread. So many connections that are stuck have a buffer, those beyond have pipes:
/// the memory of all is bounded.
struct CarrierStock {
    private static let mostBuffers = 32
    private static let mostKept = 8

    private var buffers: [RelayBuffer] = []
    private var pipes: [RelayPipe] = []
    /// In the stock and in use.
    private var bufferCount = 0

    mutating func take() throws(SystemCallError) -> any RelayCarrier {
        if let buffer = buffers.popLast() { return buffer }
        if bufferCount < Self.mostBuffers {
            bufferCount += 1
            return RelayBuffer()
        }
        if let pipe = pipes.popLast() { return pipe }
        return try RelayPipe()
    }

    /// Takes a carrier back, empty or, from a connection that has failed, not: then it is of no further use.
    mutating func giveBack(_ carrier: any RelayCarrier) {
        switch carrier {
        case let buffer as RelayBuffer:
            if buffer.fill == 0, buffers.count < Self.mostKept { buffers.append(buffer) } else { bufferCount -= 1 }
        case let pipe as RelayPipe: if pipe.fill == 0, pipes.count < Self.mostKept { pipes.append(pipe) }
        default: break
        }
    }
}
