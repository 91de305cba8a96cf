import CLinux
import Glibc
import LinuxSystem
import SandboxModel

/// Accepts clients, on a relay loop's thread.
final class Listener {
    /// How many are accepted before others have their turn.
    private static let mostAtOnce = 64
    /// How long it rests when there are no descriptors left.
    private static let pause = Duration.milliseconds(100)

    private let descriptor: Descriptor
    private let loop: EventLoop
    /// Is given an open socket, which it closes, and the client's address.
    private let onAccept: (Int32, IPAddress) -> Void
    private var timer: Int?

    init(_ descriptor: consuming Descriptor, loop: EventLoop, onAccept: @escaping (Int32, IPAddress) -> Void) {
        self.descriptor = descriptor
        self.loop = loop
        self.onAccept = onAccept
        watch()
    }

    deinit {
        loop.cancel(timer)
        loop.unwatch(descriptor.raw)
    }

    private func watch() {
        try? loop.watch(descriptor.raw, for: .readable) { [unowned self] _ in self.accept() }
    }

    private func accept() {
        for _ in 0..<Self.mostAtOnce {
            var bytes = [UInt8](repeating: 0, count: 16)
            var length: Int32 = 0
            let client = cordon_tcp_accept(descriptor.raw, &bytes, &length)
            if client < 0 {
                if errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS { rest() }
                return
            }
            onAccept(client, IPAddress(networkBytes: bytes.prefix(Int(length))))
        }
    }

    private func rest() {
        loop.unwatch(descriptor.raw)
        timer = loop.schedule(after: Self.pause) { [unowned self] in
            self.timer = nil
            self.watch()
        }
    }
}

extension IPAddress {
    /// From 4 or 16 bytes in network order.
    init(networkBytes bytes: ArraySlice<UInt8>) {
        let number = bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        self.init(bytes.count == 4 ? .v4 : .v6, number)
    }
}
