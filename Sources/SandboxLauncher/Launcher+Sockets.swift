import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension Launcher {
    /// Makes a socket in a running sandbox's network namespace, from where it reaches what listens on the
    /// sandbox's loopback interface, whatever its policy.
    func openSocket(_ request: OpenSocket) throws -> Descriptor {
        guard let slot = sandboxes[request.id], case .running = slot.state else {
            throw Failure(.failedPrecondition, "sandbox \(request.id) has ended")
        }
        do {
            let namespace = try networkNamespace(of: slot)
            let family = request.family == .ipv4 ? AF_INET : AF_INET6
            return Descriptor(
                owning: try check(cordon_tcp_socket_in(namespace, homeNetwork.raw, family), "socket", "in a sandbox"))
        } catch let error as SystemCallError {
            throw Failure(.unavailable, "a socket in sandbox \(request.id): \(error)")
        }
    }

    /// A sandbox's network namespace, which stays the slot's.
    func networkNamespace(of slot: Slot) throws -> Int32 {
        if let raw = slot.networkNamespace?.raw { return raw }
        let namespace = try ofInit("ns/net", of: slot)
        let raw = namespace.raw
        slot.networkNamespace = consume namespace
        return raw
    }

    /// What `/proc/<pid>` of a sandbox's init has under that name, opened.
    func ofInit(_ name: String, of slot: Slot, _ flags: Int32 = O_RDONLY) throws -> Descriptor {
        let pidfd = try initProcess(of: slot)
        let opened = Descriptor(
            owning: try check(
                cordon_open(AT_FDCWD, "/proc/\(slot.initProcess)/\(name)", flags, 0), "open", "init's \(name)"))
        guard !cordon_pidfd_is_dead(pidfd.raw) else { throw Failure(.failedPrecondition, "its init has ended") }
        return opened
    }

    /// A sandbox's init, which may be dead at any moment, as a pidfd.
    func initProcess(of slot: Slot) throws -> Descriptor {
        let pid = slot.initProcess
        guard pid > 0 else { throw Failure(.failedPrecondition, "its init isn't known: an older version started it") }
        // The number can have become another process's: only init is the shim's child, and as long as
        // the shim, which reaps it last, hasn't, nobody else has its number.
        let pidfd = Descriptor(owning: try check(cordon_pidfd_open(pid), "pidfd_open", "init"))
        guard try parent(of: pid) == slot.pid, slot.pid > 0 else {
            throw Failure(.failedPrecondition, "its init has ended")
        }
        return pidfd
    }

    /// The slot of a sandbox that can have sidecars: one that runs, and is none itself.
    func mainSlot(_ id: SandboxID) throws -> Slot {
        guard let slot = sandboxes[id], case .running = slot.state, slot.endTimer == nil else {
            throw Failure(.failedPrecondition, "sandbox \(id) has ended")
        }
        guard slot.kind.sidecarOf == nil else {
            throw Failure(.failedPrecondition, "sandbox \(id) is a sidecar itself")
        }
        return slot
    }

    /// The parent of a process: the fourth field of its status, behind a name that may hold anything but a NUL.
    private func parent(of pid: pid_t) throws -> pid_t? {
        // By bytes: a name's last character may join the bracket behind it.
        guard let status = try KernelFile.read("/proc/\(pid)/stat")?.utf8,
            let name = status.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let fields = String(decoding: status[status.index(after: name)...], as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? pid_t(fields[1]) : nil
    }
}
