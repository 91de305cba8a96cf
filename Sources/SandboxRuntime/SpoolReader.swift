import LinuxSystem
import SandboxModel
import ShimProtocol
import Synchronization

/// Reads one stream of one exec: bytes from its spool file, news from its shim while that lives.
final class SpoolReader: OutputReader {
    private let directory: Directory
    private let stream: OutputStream
    private let exec: ExecID
    private let number: UInt64
    private let link: ShimLink?
    private let file = Mutex<SpoolFile?>(nil)
    /// Whether the shim has said that a stream without a spool will never have one: it is discarded.
    private let isDiscarded = Mutex(false)

    init(_ stream: OutputStream, of exec: ExecID, directory: Directory, link: ShimLink?) {
        self.stream = stream
        self.exec = exec
        self.directory = directory
        self.link = link
        number = link?.reader() ?? 0
    }

    /// Opens the spool, if anything has been written yet.
    func open() throws { _ = try spool() }

    /// Whether nothing can be added: the shim is gone, or keeps nothing.
    private var isOver: Bool { link.map { !$0.connection.isOpen } ?? true || isDiscarded.withLock { $0 } }

    private func spool() throws -> SpoolFile? {
        try file.withLock { file in
            if file == nil { file = try SpoolFile(stream, of: exec, in: directory) }
            return file
        }
    }

    func extent() throws -> StreamExtent {
        // In this order: what is written last must not be missed.
        let isOver = isOver
        guard let spool = try spool() else { return StreamExtent(first: 0, end: 0, closed: isOver) }
        var extent = try spool.extent()
        if isOver { extent.closed = true }
        return extent
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> StreamRead {
        let isOver = isOver
        guard let spool = try spool() else { return isOver ? .end : .upToDate }
        let outcome = try spool.read(at: offset, into: buffer)
        return outcome == .upToDate && isOver ? .end : outcome
    }

    func waitBeyond(_ offset: UInt64, upTo limit: Duration) async throws -> StreamExtent {
        guard let link, link.connection.isOpen else { return try extent() }
        do {
            let watch = Watch(exec: exec, stream: stream, reader: number, offset: offset, limit: limit)
            let extent = try await link.connection.call(watch, for: Extent.self).extent
            if extent.closed, extent.end == 0 { isDiscarded.withLock { $0 = true } }
            return extent
        } catch is FrameConnection.Lost {
            return try extent()
        } catch let failure as Failure {
            // An exec that the shim does not know: it never ran there.
            if failure.code == .notFound { return try extent() }
            throw CordonError(failure)
        }
    }

    func close() async { link?.connection.send(CloseReader(reader: number)) }
}
