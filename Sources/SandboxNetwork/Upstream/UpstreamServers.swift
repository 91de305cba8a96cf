import Glibc
import Synchronization

/// The servers to ask: those that were configured, or those of a file such as `/etc/resolv.conf`,
/// which is read again when it has changed.
package final class UpstreamServers: Sendable {
    /// As many as the C library takes.
    private static let most = 3
    private static let maximumFileBytes = 64 * 1024
    /// A file isn't looked at more often than this.
    private static let lookInterval = Duration.seconds(1)

    private enum Source {
        case fixed([UpstreamServer])
        case file(String)
    }

    private struct State {
        var servers: [UpstreamServer] = []
        var print: FilePrint?
        var looked: ContinuousClock.Instant?
    }

    /// What is different once a file is another, or has other content.
    private struct FilePrint: Equatable {
        var inode: UInt64
        var size: Int
        var seconds: Int
        var nanoseconds: Int
    }

    private let source: Source
    private let state = Mutex(State())

    package init(_ servers: [UpstreamServer]) { source = .fixed(servers) }

    package init(file: String) { source = .file(file) }

    /// In the order in which they are to be asked.
    package var current: [UpstreamServer] {
        switch source {
        case .fixed(let servers): servers
        case .file(let path): state.withLock { Self.look(at: path, &$0) }
        }
    }

    private static func look(at path: String, _ state: inout State) -> [UpstreamServer] {
        let now = ContinuousClock.now
        if let looked = state.looked, now - looked < lookInterval { return state.servers }
        state.looked = now
        var status = stat()
        guard stat(path, &status) == 0 else { return state.servers }
        let print = FilePrint(
            inode: UInt64(status.st_ino), size: Int(status.st_size), seconds: Int(status.st_mtim.tv_sec),
            nanoseconds: Int(status.st_mtim.tv_nsec))
        guard print != state.print, let text = read(path) else { return state.servers }
        state.print = print
        state.servers = servers(in: text)
        return state.servers
    }

    /// The `nameserver` lines (resolv.conf(5)); without any, the server of this machine.
    package static func servers(in text: String) -> [UpstreamServer] {
        var servers: [UpstreamServer] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count >= 2, words[0] == "nameserver", servers.count < most else { continue }
            // A server stands there without a port.
            let word = String(words[1])
            if let server = UpstreamServer(word.contains(":") ? "[\(word)]" : word) { servers.append(server) }
        }
        return servers.isEmpty ? [UpstreamServer("127.0.0.1")].compactMap { $0 } : servers
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: maximumFileBytes)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }
}
