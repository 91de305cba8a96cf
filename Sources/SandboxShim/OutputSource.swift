import CLinux
import Glibc
import LinuxSystem

/// Where a stream's bytes come from: the reading end of a pipe, or the master of a terminal.
package final class OutputSource {
    /// The most bytes read from a terminal before they are written: it gives 4 KiB at a time.
    private static let pieceSize = 16 * 1024

    private let descriptor: Descriptor
    let isTerminal: Bool
    /// Bytes that were read from a terminal and found no room in the file yet.
    private var unwritten: ArraySlice<UInt8> = []

    /// A pipe's reading end, which doesn't block.
    package init(pipe: consuming Descriptor) {
        descriptor = pipe
        isTerminal = false
    }

    /// A terminal's master, which doesn't block.
    package init(terminal: consuming Descriptor) {
        descriptor = terminal
        isTerminal = true
    }

    var raw: Int32 { descriptor.raw }

    /// How many bytes wait at least; -1 when none and nobody can write any more.
    var fill: Int {
        guard isTerminal else { return Int(cordon_pipe_fill(raw)) }
        return unwritten.isEmpty ? Int(cordon_terminal_fill(raw)) : unwritten.count
    }

    /// Makes room for somebody who writes a lot.
    func widen() {
        if !isTerminal { _ = cordon_set_pipe_size(raw, 1 << 20) }
    }

    /// Moves at most `most` bytes into a file: how many, 0 at the end, -1 with errno (EAGAIN when
    /// there are none now). What the file doesn't take stays here.
    func move(to file: Int32, at offset: off_t, most: Int) -> Int {
        guard isTerminal else { return cordon_splice_to_file(raw, file, offset, most) }
        if unwritten.isEmpty {
            let count = read(most)
            guard count > 0 else { return count }
        }
        let count = unwritten.withUnsafeBytes { pwrite(file, $0.baseAddress, min($0.count, most), offset) }
        if count > 0 { unwritten.removeFirst(count) }
        return count
    }

    /// Reads what a terminal shows, up to a piece. That nobody holds its slave is an error of input
    /// and output there (EIO), behind the last byte.
    private func read(_ most: Int) -> Int {
        var failure: Int32 = 0
        let piece = [UInt8](unsafeUninitializedCapacity: min(most, Self.pieceSize)) { buffer, filled in
            while filled < buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
                let count = Glibc.read(raw, rest.baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else {
                    failure = count < 0 ? errno : EIO
                    break
                }
                filled += count
            }
        }
        unwritten = piece[...]
        guard piece.isEmpty else { return piece.count }
        errno = failure
        return failure == EIO ? 0 : -1
    }
}
