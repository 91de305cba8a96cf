import NIOPosix
import SandboxModel
import Synchronization

/// A command in a sandbox that nobody else knows of, run to its end.
struct StepProcess: Sendable {
    private static let pieceBytes = 64 * 1024

    let host: any SandboxHost
    let sandbox: SandboxID
    let order: ExecOrder
    /// The whole of stdin; nil for none.
    let input: [UInt8]?

    /// Runs it; `report` hears what it writes as it comes.
    func run(_ report: @escaping ImageReporter) async throws -> Ending {
        let over = Flag()
        _ = try await host.startExec(order, in: sandbox)
        return try await withThrowingTaskGroup(of: Ending?.self) { group in
            for stream in OutputStream.allCases {
                group.addTask {
                    try await follow(stream, until: { over.isSet }, report)
                    return nil
                }
            }
            if let input {
                group.addTask {
                    await feed(input)
                    return nil
                }
            }
            group.addTask {
                defer { over.set() }
                return try await ending()
            }
            var result: Ending?
            while let ending = try await group.next() { result = ending ?? result }
            guard let result else { throw CordonError(.internal, "a step of a build has no end") }
            return result
        }
    }

    /// Something that is so from some moment on.
    private final class Flag: Sendable {
        private let value = Mutex(false)
        var isSet: Bool { value.withLock { $0 } }
        func set() { value.withLock { $0 = true } }
    }

    /// Asked for again, an exec that is there answers how it is: nobody else hears of its end.
    private func ending() async throws -> Ending {
        var pause = Duration.milliseconds(5)
        while true {
            if case .ended(let ending) = try await host.startExec(order, in: sandbox).status { return ending }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(250))
        }
    }

    /// Reports a stream until it is closed, or until all that came before the process's end is told: what it has left
    /// behind may hold it open.
    private func follow(
        _ stream: OutputStream, until isOver: @escaping @Sendable () -> Bool, _ report: @escaping ImageReporter
    ) async throws {
        let reader = try await host.output(stream, of: order.id, in: sandbox)
        do {
            var offset: UInt64 = 0
            reading: while true {
                // Looked at before the stream is: what was written before the end is there then.
                let wasOver = isOver()
                switch try await read(reader, at: offset) {
                case .bytes(let bytes):
                    offset += UInt64(bytes.count)
                    await report(.log(bytes))
                case .gap(let first):
                    await report(.log(Array("[\(first - offset) bytes of output are gone]\n".utf8)))
                    offset = first
                case .nothingYet:
                    if wasOver { break reading }
                    _ = try await reader.waitBeyond(offset, upTo: .milliseconds(250))
                case .end: break reading
                }
            }
        } catch {
            await reader.close()
            throw error
        }
        await reader.close()
    }

    private enum Piece: Sendable {
        case bytes([UInt8])
        case gap(UInt64)
        case nothingYet, end
    }

    private func read(_ reader: any OutputReader, at offset: UInt64) async throws -> Piece {
        try await NIOThreadPool.singleton.runIfActive {
            var outcome = StreamRead.upToDate
            let bytes = try [UInt8](unsafeUninitializedCapacity: Self.pieceBytes) { buffer, count in
                outcome = try reader.read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
                if case .bytes(let got) = outcome { count = got }
            }
            return switch outcome {
            case .bytes: .bytes(bytes)
            case .gap(let first): .gap(first)
            case .upToDate: .nothingYet
            case .end: .end
            }
        }
    }

    /// Writes all of stdin and its end. A process that ends or closes it earlier is no error.
    private func feed(_ bytes: [UInt8]) async {
        var offset = 0
        while !Task.isCancelled {
            let end = min(offset + Self.pieceBytes, bytes.count)
            guard
                let state = try? await host.writeStdin(
                    of: order.id, in: sandbox, offset: UInt64(offset), bytes: Array(bytes[offset..<end]),
                    end: end == bytes.count, upTo: .seconds(30)), !state.closed
            else { return }
            offset = Int(min(state.accepted, UInt64(bytes.count)))
        }
    }
}
