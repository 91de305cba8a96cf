import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// One sandbox's supervisor process. Descriptors come by number from the launcher:
/// 3 its socket, 4 the slot's run directory, 5 the sandboxes' records, 6 the file agent's program.
public enum Shim {
    /// Runs until the sandbox has ended. The launcher's death ends it only while it is nobody's.
    public static func run(argumentCount: Int32, arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Never
    {
        cordon_wipe_command_line(arguments, argumentCount, "cordon-shim")
        signal(SIGPIPE, SIG_IGN)
        _ = cordon_set_dumpable(false)
        umask(0)
        do {
            try serve()
            exit(0)
        } catch {
            var text = "cordon-shim: \(error)\n"
            text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
            exit(1)
        }
    }

    private static func serve() throws {
        // First of all: a launcher of an older version gives none, and 6 is somebody else's later.
        let fileAgent = cordon_is_sealed(6) ? SharedDescriptor(Descriptor(owning: 6)) : nil
        let loop = try EventLoop()
        let launcher = FrameChannel(socket: Descriptor(owning: 3), loop: loop)
        let slot = Directory(owning: Descriptor(owning: 4), name: "slot")
        let records = Directory(owning: Descriptor(owning: 5), name: "sandboxes")
        // Held for as long as this process lives: the launcher knows by it that the slot is in use.
        let identity = try ProcessIdentity.current()
        let lock = try slot.open("lock", O_RDWR | O_CREAT, mode: 0o600)
        try check(cordon_lock_exclusive(lock.raw, false), "flock", "lock")
        try slot.replace(SlotNames.process, with: identity.record)

        var supervisor: SandboxSupervisor?
        var server: ShimServer?
        launcher.onClose = {
            // An unassigned sandbox dies with its launcher; an assigned one never does.
            guard let supervisor, supervisor.assignment != nil else { exit(0) }
        }
        launcher.onFrame = { frame in
            switch MessageType(rawValue: frame.type) {
            case .prepare:
                let prepare: Prepare = try frame.decode()
                do {
                    let layout = try ControlGroupLayout.detect()
                    let built = try SandboxSupervisor.prepare(
                        prepare, loop: loop, layout: layout, records: records)
                    built.fileAgent = fileAgent
                    built.onEnd = { ending in
                        if let id = built.assignment?.id {
                            launcher.send(Ended(id: id, ending: ending), request: 0)
                            launcher.drain()
                        }
                        loop.stop()
                    }
                    supervisor = built
                    server = try ShimServer(loop: loop, supervisor: built, directory: slot, group: prepare.serviceGroup)
                    launcher.send(Prepared(initProcess: built.process.pid), request: frame.request)
                } catch {
                    launcher.send(Failure(.internal, "\(error)"), request: frame.request)
                }
            case .assign:
                supervisor?.assign(try frame.decode()) { result in
                    switch result {
                    case .success(let assigned): launcher.send(assigned, request: frame.request)
                    case .failure(let failure): launcher.send(failure, request: frame.request)
                    }
                }
            case .endSandbox:
                let end: EndSandbox = try frame.decode()
                supervisor?.end(.terminated, end.detail)
            default: break
            }
        }
        launcher.open()
        try loop.run()
        withExtendedLifetime(server) {}
        _ = consume lock
    }
}
