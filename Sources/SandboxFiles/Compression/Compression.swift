import CZlib
import CZstd
import Glibc
import SandboxModel
import ShimProtocol

/// Compresses a stream, and gives what comes of it in pieces of a bounded size.
final class Compression {
    private enum Method {
        case none
        case gzip(UnsafeMutablePointer<z_stream>)
        case zstd(OpaquePointer)
    }

    private let method: Method
    private let give: (UnsafeRawBufferPointer) throws -> Void
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: FileData.maximumBytes, alignment: 16)
    /// How much of `output` is filled.
    private var filled = 0

    init(_ compression: ArchiveCompression, _ give: @escaping (UnsafeRawBufferPointer) throws -> Void) throws(Fault) {
        self.give = give
        switch compression {
        case .none: method = .none
        case .gzip:
            let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
            stream.initialize(to: z_stream())
            method = .gzip(stream)
            guard cordon_deflate_init(stream) == Z_OK else { throw Fault(.failed) }
        case .zstd:
            guard let context = ZSTD_createCCtx() else { throw Fault(.failed) }
            method = .zstd(context)
        }
    }

    deinit {
        switch method {
        case .none: break
        case .gzip(let stream):
            deflateEnd(stream)
            stream.deallocate()
        case .zstd(let context): ZSTD_freeCCtx(context)
        }
        output.deallocate()
    }

    func take(_ bytes: UnsafeRawBufferPointer) throws {
        switch method {
        case .none:
            var rest = bytes
            while !rest.isEmpty {
                let count = min(rest.count, output.count - filled)
                UnsafeMutableRawBufferPointer(rebasing: output[filled...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                try advance(by: count)
            }
        case .gzip(let stream): try deflate(stream, bytes, Z_NO_FLUSH)
        case .zstd(let context): try compress(context, bytes, ZSTD_e_continue)
        }
    }

    /// Gives what is left; nothing may be taken any more.
    func finish() throws {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        switch method {
        case .none: break
        case .gzip(let stream): try deflate(stream, nothing, Z_FINISH)
        case .zstd(let context): try compress(context, nothing, ZSTD_e_end)
        }
        if filled > 0 { try give(UnsafeRawBufferPointer(rebasing: output[..<filled])) }
        filled = 0
    }

    private func advance(by count: Int) throws {
        filled += count
        guard filled == output.count else { return }
        try give(UnsafeRawBufferPointer(output))
        filled = 0
    }

    private func deflate(
        _ stream: UnsafeMutablePointer<z_stream>, _ bytes: UnsafeRawBufferPointer, _ flush: Int32
    ) throws {
        stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(bytes.count)
        var result = Z_OK
        repeat {
            let room = UnsafeMutableRawBufferPointer(rebasing: output[filled...])
            stream.pointee.next_out = room.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_out = UInt32(room.count)
            result = CZlib.deflate(stream, flush)
            guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else { throw Fault(.failed) }
            try advance(by: room.count - Int(stream.pointee.avail_out))
        } while stream.pointee.avail_in > 0 || (flush == Z_FINISH && result != Z_STREAM_END)
    }

    private func compress(_ context: OpaquePointer, _ bytes: UnsafeRawBufferPointer, _ end: ZSTD_EndDirective) throws {
        var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        var left = 0
        repeat {
            let room = UnsafeMutableRawBufferPointer(rebasing: output[filled...])
            var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
            left = ZSTD_compressStream2(context, &target, &source, end)
            guard ZSTD_isError(left) == 0 else { throw Fault(.failed) }
            try advance(by: target.pos)
        } while source.pos < source.size || (end == ZSTD_e_end && left > 0)
    }
}
