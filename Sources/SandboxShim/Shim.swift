import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// One sandbox's supervisor process: a fork of the zygote, on a socket of the launcher's.
public enum Shim {
    /// What every shim of a launcher works with.
    struct Ground {
        let layout: ControlGroupLayout
        let bootID: String
        /// The data directory's `sandboxes`.
        let records: Directory
        /// The sealed program that works on files inside.
        let fileAgent: SharedDescriptor
    }

    /// Runs until the sandbox has ended. The launcher's death ends it only while it is nobody's.
    static func run(on socket: consuming Descriptor, slot: Directory, _ ground: Ground) -> Never {
        do {
            try serve(socket, slot, ground)
            exit(0)
        } catch { Self.fail(error) }
    }

    static func fail(_ error: any Error) -> Never {
        var text = "cordon-shim: \(error)\n"
        text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
        exit(1)
    }

    private static func serve(_ socket: consuming Descriptor, _ slot: Directory, _ ground: Ground) throws {
        let loop = try EventLoop()
        let launcher = FrameChannel(socket: socket, loop: loop)
        // Held for as long as this process lives: the launcher knows by it that the slot is in use.
        let identity = try ProcessIdentity.current(bootID: ground.bootID)
        let lock = try slot.open("lock", O_RDWR | O_CREAT, mode: 0o600)
        try check(cordon_lock_exclusive(lock.raw, false), "flock", "lock")
        try slot.replace(SlotNames.process, with: identity.record)

        var supervisor: SandboxSupervisor?
        var server: ShimServer?
        var joined: SharedDescriptor?
        launcher.takesDescriptors = true
        launcher.onClose = {
            // An unassigned sandbox dies with its launcher; an assigned one never does.
            guard let supervisor, supervisor.assignment != nil else { exit(0) }
        }
        launcher.onFrame = { frame in
            switch MessageType(rawValue: frame.type) {
            case .joinSandbox:
                // Without it, what is built would have a network of its own.
                guard let main = launcher.takeDescriptor() else { exit(1) }
                joined = SharedDescriptor(main)
            case .prepare:
                let prepare: Prepare = try frame.decode()
                do {
                    // Given away as soon as it is attached inside: its sandbox alone holds it.
                    let disk = prepare.hasDisk ? launcher.takeDescriptor() : nil
                    let built = try SandboxSupervisor.prepare(
                        prepare, disk: disk, joining: joined, loop: loop, ground: ground)
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
            case .keepRouter: supervisor?.router = launcher.takeDescriptor()
            default: break
            }
        }
        launcher.open()
        try loop.run()
        withExtendedLifetime(server) {}
        _ = consume lock
    }
}
