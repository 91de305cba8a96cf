import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol
import TarArchives

extension FileAgent {
    /// How often the service hears of a watch of which there is nothing to tell, in milliseconds.
    private static let quiet: Int32 = 10_000
    /// How long the other half of a rename is waited for.
    private static let settling: Int32 = 20
    /// How long one watch goes on: somewhat less than an agent may live.
    private static let longest: UInt64 = 3_540_000_000_000

    /// Watches until the next request, the end of input or of what is watched, or for about an hour.
    func watch(_ request: WatchFiles) throws {
        let watch = try FileWatch(request) { [wire] in wire.stillWorking() }
        try wire.send(FileState(attributes: try Self.attributes(request.path, follows: true)))
        let end = cordon_boottime_ns() + Self.longest
        while !watch.isOver, cordon_boottime_ns() < end {
            var polled = [
                pollfd(fd: watch.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wire.input, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&polled, 2, watch.isUnsettled ? Self.settling : Self.quiet)
            if count < 0 && errno == EINTR { continue }
            try check(count, "poll")
            if polled[1].revents != 0 { return }
            if polled[0].revents != 0 || watch.isUnsettled { try watch.read() }
            // Nothing, too, is told: it says that the watch goes on.
            repeat { try wire.send(FileChanges(watch.take(FileChanges.most))) } while !watch.changes.isEmpty
        }
        try wire.send(FileEnd(isWhole: true))
    }
}
