import SandboxModel

/// A reader whose bytes are counted.
struct ObservedReader: OutputReader {
    let reader: any OutputReader
    let observer: any ServiceObserver

    func extent() throws -> StreamExtent { try reader.extent() }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> StreamRead {
        let outcome = try reader.read(at: offset, into: buffer)
        if case .bytes(let count) = outcome { observer.outputRead(bytes: count) }
        return outcome
    }

    func waitBeyond(_ offset: UInt64, upTo limit: Duration) async throws -> StreamExtent {
        try await reader.waitBeyond(offset, upTo: limit)
    }

    func close() async { await reader.close() }
}
