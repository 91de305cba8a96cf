import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// Frames on blocking descriptors.
final class AgentWire {
    let input: Int32
    private let output: Int32
    private var assembler = FrameAssembler(keeping: 2 * Frame.maximumSize)
    private var buffer = [UInt8](repeating: 0, count: 256 * 1024)
    private var lastWord: UInt64 = 0
    /// How often the service hears that a long operation goes on.
    private static let interval: UInt64 = 1_000_000_000

    init(input: Int32, output: Int32) {
        self.input = input
        self.output = output
    }

    /// The next frame; nil at the end of input.
    func next() throws -> Frame? {
        while true {
            if let frame = try assembler.next() { return frame }
            guard try fill() else { return nil }
        }
    }

    /// Hands a file's or an archive's content to `take`, piece by piece, until something else comes, which is
    /// answered; nil at the end of input. A piece is valid until `take` returns.
    func content(_ take: (UnsafeRawBufferPointer) throws -> Void) throws -> Frame? {
        while true {
            if try assembler.takeNext(of: .fileData, { try take(FileData.piece(in: $0)) }) { continue }
            if let frame = try assembler.next() { return frame }
            guard try fill() else { return nil }
        }
    }

    /// False at the end of input.
    private func fill() throws -> Bool {
        while true {
            let count = Glibc.read(input, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            try check(count, "read", "requests")
            assembler.append(buffer[..<count])
            return count > 0
        }
    }

    func send(_ message: some Message) throws {
        lastWord = cordon_boottime_ns()
        let bytes = Frame.bytes(message, request: 0)
        try bytes.withUnsafeBytes { try writeAll($0, to: output) }
    }

    /// Sends a piece of content that lies behind `FileData.headSize` bytes of room in `buffer`.
    func sendPiece(of count: Int, in buffer: inout [UInt8]) throws {
        lastWord = cordon_boottime_ns()
        buffer.replaceSubrange(..<FileData.headSize, with: FileData.head(ofPiece: count))
        try buffer.withUnsafeBytes {
            try writeAll(UnsafeRawBufferPointer(rebasing: $0[..<(FileData.headSize + count)]), to: output)
        }
    }

    /// Says that the operation goes on, when nothing has been said for a while. A service that is gone
    /// ends the process.
    func stillWorking() {
        guard cordon_boottime_ns() - lastWord > Self.interval else { return }
        do { try send(Working()) } catch { exit(1) }
    }
}
