import CLinux
import Foundation
import Synchronization

/// A pipe to a program or from one. What is open of it is closed with it.
public final class ProgramPipe: Sendable {
    public let reading: Int32
    public let writing: Int32
    private let open = Mutex((reading: true, writing: true))

    public init() throws {
        var ends: [Int32] = [-1, -1]
        guard cordon_pipe(&ends, true) == 0, fcntl(ends[0], F_SETFL, 0) == 0 else {
            throw HostProgram.Failure(description: "pipe: \(String(cString: strerror(errno)))")
        }
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        closeReading()
        closeWriting()
    }

    public func closeReading() {
        open.withLock { open in
            if open.reading { close(reading) }
            open.reading = false
        }
    }

    /// The program at the other end sees the end once nobody else has it open.
    public func closeWriting() {
        open.withLock { open in
            if open.writing { close(writing) }
            open.writing = false
        }
    }

    /// What comes next, as soon as something does; nothing at the end.
    public func readSome() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(reading, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            return Array(buffer.prefix(max(0, count)))
        }
    }

    public func readToEnd() -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = readSome()
            guard !piece.isEmpty else { return all }
            all += piece
        }
    }

    /// To the end of the line, with it, or what there is at the end. For programs that print a line and wait.
    public func readLine() -> String {
        var line: [UInt8] = []
        while line.last != UInt8(ascii: "\n") {
            let piece = readSome()
            if piece.isEmpty { break }
            line += piece
        }
        return String(decoding: line, as: UTF8.self)
    }

    public func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(writing, bytes, bytes.count)
    }
}
