import CZlib
import CZstd
import Glibc
import SandboxModel
import ShimProtocol
import TarArchives

/// Takes a compressed stream piece by piece and gives it as it was. What comes is hostile: memory is bounded
/// (a zstd window of at most 128 MiB), and whoever takes the output says when it is too much.
final class Decompression {
    private enum Method {
        case none
        case gzip(UnsafeMutablePointer<z_stream>)
        case zstd(OpaquePointer)
    }

    private let method: Method
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 * 1024, alignment: 16)
    /// Whether the input so far is one whole stream, or several.
    private var isWhole = false

    init(_ compression: ArchiveCompression) throws(Fault) {
        switch compression {
        case .none:
            method = .none
            isWhole = true
        case .gzip:
            let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
            stream.initialize(to: z_stream())
            method = .gzip(stream)
            guard cordon_inflate_init(stream) == Z_OK else { throw Fault(.failed) }
        case .zstd:
            guard let context = ZSTD_createDCtx() else { throw Fault(.failed) }
            method = .zstd(context)
        }
    }

    deinit {
        switch method {
        case .none: break
        case .gzip(let stream):
            inflateEnd(stream)
            stream.deallocate()
        case .zstd(let context): ZSTD_freeDCtx(context)
        }
        output.deallocate()
    }

    /// Gives what these bytes amount to, in pieces that are valid until `body` returns.
    func take(_ input: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        switch method {
        case .none: if !input.isEmpty { try body(input) }
        case .gzip(let stream): try inflate(stream, input, body)
        case .zstd(let context): try decompress(context, input, body)
        }
    }

    /// Throws when the stream isn't whole.
    func finish() throws(Fault) {
        guard isWhole else { throw .invalidArchive("the compressed data ends in the middle") }
    }

    /// Members behind one another count as one stream (RFC 1952, section 2.2).
    private func inflate(
        _ stream: UnsafeMutablePointer<z_stream>, _ input: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(input.count)
        var isFull = false
        while stream.pointee.avail_in > 0 || isFull {
            if isWhole {
                guard inflateReset(stream) == Z_OK else { throw Fault(.failed) }
                isWhole = false
            }
            stream.pointee.next_out = output.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_out = UInt32(output.count)
            let result = CZlib.inflate(stream, Z_NO_FLUSH)
            guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else {
                throw Fault.invalidArchive("it isn't compressed by gzip, or is damaged")
            }
            let count = output.count - Int(stream.pointee.avail_out)
            if count > 0 { try body(UnsafeRawBufferPointer(rebasing: output[..<count])) }
            isWhole = result == Z_STREAM_END
            isFull = !isWhole && stream.pointee.avail_out == 0
        }
    }

    /// Frames behind one another count as one stream (RFC 8878, section 3).
    private func decompress(
        _ context: OpaquePointer, _ input: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var isFull = false
        while source.pos < source.size || isFull {
            var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
            let result = ZSTD_decompressStream(context, &target, &source)
            guard ZSTD_isError(result) == 0 else {
                throw Fault.invalidArchive("it isn't compressed by zstd, or is damaged")
            }
            if target.pos > 0 { try body(UnsafeRawBufferPointer(rebasing: output[..<target.pos])) }
            isWhole = result == 0
            isFull = !isWhole && target.pos == target.size
        }
    }
}
