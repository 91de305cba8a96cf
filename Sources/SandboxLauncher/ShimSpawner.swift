import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The launcher's end of the zygote, which is started when it is first needed, and again when it has died.
final class ShimSpawner {
    private let program: String
    /// The data directory's `sandboxes`, and the file agent's program.
    private let ground: [Int32]
    private var socket: Descriptor?
    private var zygote: pid_t = 0

    /// The descriptors stay the caller's, who keeps them open.
    init(program: String, records: Int32, fileAgent: Int32) {
        self.program = program
        ground = [records, fileAgent]
    }

    /// A new shim, which is a child of this process: its pid. It holds copies of the descriptors.
    func spawn(socket: Int32, slot: Int32) throws -> pid_t {
        if let pid = try? ask(socket, slot) { return pid }
        // Dead, or not there yet. A second one that doesn't answer is told of.
        stop()
        try startZygote()
        return try ask(socket, slot)
    }

    /// A child of this process was reaped: whether it was the zygote, whose pid may be anybody's from now on.
    func noteReaped(_ pid: pid_t) -> Bool {
        guard pid == zygote else { return false }
        zygote = 0
        return true
    }

    /// Ends the zygote and waits until it is gone. Shims live on.
    func stop() {
        socket = nil
        guard zygote > 0 else { return }
        kill(zygote, SIGKILL)
        waitpid(zygote, nil, 0)
        zygote = 0
    }

    private func startZygote() throws {
        var pair: [Int32] = [-1, -1]
        try check(cordon_socketpair(Int32(SOCK_SEQPACKET.rawValue), &pair), "socketpair")
        let ours = Descriptor(owning: pair[0])
        let theirs = Descriptor(owning: pair[1])
        // Nothing in it can make it wait; a host that has stopped altogether must not stop this process for good.
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        try check(
            setsockopt(ours.raw, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size)),
            "setsockopt", "SO_RCVTIMEO")
        let descriptors = [theirs.raw] + ground
        let arguments = CStringArray(["cordon-zygote"])
        // A static Swift program needs no /proc to start when it is told its root.
        let environment = CStringArray(["SWIFT_ROOT=/"])
        zygote = try check(
            cordon_spawn(program, arguments.pointers, environment.pointers, descriptors, Int32(descriptors.count)),
            "fork", "zygote")
        socket = consume ours
    }

    private func ask(_ shim: Int32, _ slot: Int32) throws -> pid_t {
        guard let socket = socket?.raw else { throw Failure(.unavailable, "there is no zygote") }
        var request: UInt8 = 0
        try check(cordon_send(socket, &request, 1, [shim, slot], 2), "sendmsg", "zygote")
        var pid: pid_t = 0
        guard cordon_receive(socket, &pid, MemoryLayout<pid_t>.size, nil, nil) == MemoryLayout<pid_t>.size else {
            throw Failure(.unavailable, "the zygote does not answer")
        }
        guard pid > 0 else { throw SystemCallError("fork", "shim", errno: -pid) }
        return pid
    }
}
