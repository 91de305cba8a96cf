import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Mounts buckets in a sandbox; what it does runs in a process of its own. Programs that it starts stay, and serve.
struct BucketMaking {
    let orders: [BucketOrder]
    let program: String
    /// What programs run to get the device that they serve.
    let helper: String
    /// An empty directory.
    let ground: String
    /// Of the programs; it is there, with its limits.
    let group: ControlGroup
    let idBase: UInt32

    /// An id that is nobody's but the programs' of this sandbox: neither a sandbox's nor an account's.
    private var user: UInt32 { 0x7020_0000 + idBase >> 16 }

    /// Mounts them in this order, once each has answered. Throws `failedPrecondition` where one doesn't.
    func attach(in namespace: Int32, tell: (UInt64) throws -> Void) throws {
        try MountMaking.preparePrivately()
        let questions = try orders.map { try Question(asking: start($0, .ask), of: $0.mount.bucket) }
        for question in questions { try question.awaitAnswer() }
        let mounts = try orders.map { try serve($0) }
        try check(cordon_setns(namespace, cordon_clone_newns), "setns", "mount")
        for (order, mount) in zip(orders, mounts) {
            let path = order.mount.path.text
            try MountMaking.asRoot(of: idBase) { try MountMaking.makeDirectories(path) }
            let target = try MountMaking.directory(path)
            try tell(cordon_mount_id(mount.raw, ""))
            try check(cordon_move_mount(mount.raw, target.raw, ""), "move_mount", path)
        }
    }

    /// A mount, attached nowhere, with a program that serves it.
    private func serve(_ order: BucketOrder) throws -> SharedDescriptor {
        let device = Descriptor(owning: try check(cordon_open(AT_FDCWD, "/dev/fuse", O_RDWR, 0), "open", "/dev/fuse"))
        let context = try FileSystemContext("fuse")
        for (key, value) in [
            ("source", "bucket"), ("subtype", "s3"), ("fd", "\(device.raw)"), ("rootmode", "40000"), ("user_id", "0"),
            ("group_id", "0"),
        ] { try context.string(key, value) }
        // Everybody inside, by the owner and mode of each file.
        for key in ["allow_other", "default_permissions"] { try context.flag(key) }
        let attributes: MountAttributes = order.mount.isReadOnly ? [.hostile, .readOnly] : .hostile
        let mount = SharedDescriptor(try context.mount(attributes))
        let started = try start(order, .serve, device: device.raw)
        // The program alone has the device from here on: with its end the kernel gives up what waits.
        _ = consume device
        // Waits until it serves.
        let raw = cordon_open(mount.raw, ".", O_RDONLY | O_DIRECTORY, 0)
        guard raw >= 0 else {
            var line = "what serves a bucket broke off: \(LayerMaking.shown(Array(started.heard().utf8)))\n"
            line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
            throw Failure(.internal, "what serves the bucket \(order.mount.bucket) broke off")
        }
        close(raw)
        return mount
    }

    private func start(_ order: BucketOrder, _ task: BucketProgram.Task, device: Int32 = -1) throws -> StartedProgram {
        var pair: [Int32] = [-1, -1]
        try check(cordon_socketpair(Int32(SOCK_DGRAM.rawValue), &pair), "socketpair")
        let ours = SharedDescriptor(Descriptor(owning: pair[0]))
        let theirs = Descriptor(owning: pair[1])
        // Where nobody reads fast enough, words are lost.
        var patience = timeval(tv_sec: 0, tv_usec: 10_000)
        try check(
            setsockopt(theirs.raw, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size)),
            "setsockopt", "SO_SNDTIMEO")
        let bucket = BucketProgram(order: order, owner: idBase)
        let arguments = CStringArray(bucket.arguments(program: program, task))
        let environment = CStringArray(bucket.environment)
        let settings = bucket.settings
        let entries = try group.legacyEntries()
        let directory = Descriptor(
            owning: try check(cordon_open(AT_FDCWD, group.unified, O_RDONLY | O_DIRECTORY, 0), "open", group.path))
        let pid = cordon_clone(cordon_program_namespaces, directory.raw)
        guard pid == 0 else {
            return StartedProgram(pid: try check(pid, "clone", "program of a bucket"), words: ours)
        }
        do {
            for entry in entries { try entry.enter() }
            try BucketRoot(ground: ground, helper: helper, user: user).enter(settings: settings)
            try check(
                cordon_exec_confined(program, arguments.pointers, environment.pointers, user, theirs.raw, device),
                "exec", program)
        } catch {
            let words = Array("\(StartedProgram.ownWords)\(error)".utf8)
            // It is the standard error where the program was nearly there.
            for place in [theirs.raw, STDERR_FILENO] where fcntl(place, F_GETFD) >= 0 {
                try? words.withUnsafeBytes { try writeAll($0, to: place) }
                break
            }
        }
        _exit(1)
    }
}

/// A program outside, and where it says what goes wrong, a message each; it goes on when nobody listens any more.
private struct StartedProgram {
    /// Before what we say of it ourselves.
    static let ownWords = "the program can't be started: "
    private static let mostWords = 16

    let pid: pid_t
    let words: SharedDescriptor

    func heard() -> String {
        var text = ""
        var piece = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<Self.mostWords {
            let count = recv(words.raw, &piece, piece.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { break }
            text += String(decoding: piece[..<count], as: UTF8.self)
        }
        return text
    }
}

/// What was asked of a bucket before it is mounted.
private struct Question {
    let program: StartedProgram
    let bucket: BucketName

    init(asking program: StartedProgram, of bucket: BucketName) {
        self.program = program
        self.bucket = bucket
    }

    /// Throws `failedPrecondition` where the answer isn't a bucket's.
    func awaitAnswer() throws {
        var status: Int32 = 0
        while waitpid(program.pid, &status, 0) < 0 && errno == EINTR {}
        guard status != 0 else { return }
        let words = program.heard()
        // Of our own making, and the host's matter.
        guard !words.hasPrefix(StartedProgram.ownWords) else { throw Failure(.internal, "\(bucket): \(words)") }
        let reason = words.isEmpty ? "its endpoint doesn't answer" : BucketProgram.reason(in: words)
        throw Failure(.failedPrecondition, "the bucket \(bucket) can't be listed: \(reason)")
    }
}
