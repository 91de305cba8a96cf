import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// Frames on blocking descriptors.
final class AgentWire {
    private let input: Int32
    private let output: Int32
    private var assembler = FrameAssembler()
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
            let count = Glibc.read(input, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            try check(count, "read", "requests")
            if count == 0 { return nil }
            assembler.append(buffer[..<count])
        }
    }

    func send(_ message: some Message) throws {
        lastWord = cordon_boottime_ns()
        let bytes = Frame.bytes(message, request: 0)
        try bytes.withUnsafeBytes { try writeAll($0, to: output) }
    }

    /// Says that the operation goes on, when nothing has been said for a while. A service that is gone
    /// ends the process.
    func stillWorking() {
        guard cordon_boottime_ns() - lastWord > Self.interval else { return }
        do { try send(Working()) } catch { exit(1) }
    }
}
