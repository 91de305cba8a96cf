import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// A process that changes what is mounted in a sandbox. What it says before it ends with another status than 0 is why.
final class MountWork {
    let slot: Slot
    /// The paths that nobody else may change meanwhile.
    let paths: [FilePath]
    let words: Descriptor
    /// Where it tells the id of what it will attach, in the order of `paths`, and is told to.
    let leave: Descriptor
    /// How many it has told.
    var told = 0
    /// With what the process found.
    let finish: (Result<[UInt64], Failure>) -> Void

    init(
        slot: Slot, paths: [FilePath], words: consuming Descriptor, leave: consuming Descriptor,
        finish: @escaping (Result<[UInt64], Failure>) -> Void
    ) {
        self.slot = slot
        self.paths = paths
        self.words = words
        self.leave = leave
        self.finish = finish
    }
}

/// The child's side of `MountWork.leave`.
struct MountLeave {
    let socket: Int32

    /// Waits until a mount's id is on record: whoever is killed from here on, a successor knows what may be attached.
    func ask(for id: UInt64) throws {
        try withUnsafeBytes(of: id) { try writeAll($0, to: socket) }
        var byte: UInt8 = 0
        guard read(socket, &byte, 1) == 1 else { throw Failure(.aborted, "the launcher ended") }
    }
}

/// Layers in running sandboxes: made ready here, attached in the sandbox's own mount namespace by a process of its own,
/// which follows no path but as the sandbox's root would.
extension Launcher {
    private static let mostMounts = 64

    func mount(_ request: MountLayers, answer: @escaping (Result<Done, Failure>) -> Void) {
        do {
            let slot = try running(request.id)
            try mount([request.mount], in: slot, makingPaths: false) { answer($0.map { _ in Done() }) }
        } catch { answer(.failure(error as? Failure ?? Failure(.internal, "\(error)"))) }
    }

    /// Shows layers in a sandbox, all or none of them, in this order.
    func mount(
        _ mounts: [LayerMount], in slot: Slot, makingPaths: Bool, answer: @escaping (Result<Void, Failure>) -> Void
    ) throws {
        guard slot.mounts.count + mounts.count <= Self.mostMounts else {
            throw Failure(.resourceExhausted, "a sandbox has at most \(Self.mostMounts) mounts")
        }
        for mount in mounts {
            try checkFree(mount.path, in: slot)
            for layer in mount.layers where !files.layers.exists(layer.text) {
                throw Failure(.failedPrecondition, "layer \(layer) is not here")
            }
        }
        let namespace = SharedDescriptor(try ofInit("ns/mnt", of: slot))
        let makings = try mounts.map { try making(of: $0, in: slot) }
        // From here on its layers are in use. On record before it is attached, with its id.
        for making in makings { slot.mounts[making.mount.path] = ShownLayers(id: 0, making) }
        let finish = { [unowned self] (result: Result<[UInt64], Failure>) in
            if case .failure = result {
                // Killed, it may have done its work before.
                for mount in mounts {
                    let shown = slot.mounts[mount.path]
                    slot.mounts[mount.path] = shown.flatMap {
                        self.mounts(of: slot, recorded: [mount.path: $0])[mount.path]
                    }
                }
            }
            self.recordMounts(of: slot)
            answer(result.map { _ in })
        }
        do {
            try start(slot, mounts.map(\.path), finish) { leave in
                try MountMaking.attach(makings, in: namespace.raw, makingPaths: makingPaths) { try leave.ask(for: $0) }
                return []
            }
        } catch {
            for mount in mounts { slot.mounts[mount.path] = nil }
            throw error
        }
    }

    /// What a mount is made of, with a writable layer of its own.
    func making(of mount: LayerMount, in slot: Slot) throws -> MountMaking {
        let storage = "\(configuration.dataDirectory)/storage"
        return MountMaking(
            mount: mount, layers: "\(storage)/layers", empty: "\(storage)/images/\(bareName)/root",
            slot: "\(storage)/slots/\(slot.name)", disk: mount.isVolume ? nil : slot.disk,
            storage: "mounts/\(try mountStorage(of: slot, mount))",
            idBase: slot.idBase, userNamespace: SharedDescriptor(try ofInit("ns/user", of: slot)),
            method: overlayMethod)
    }

    func unmount(_ request: UnmountLayers, answer: @escaping (Result<Done, Failure>) -> Void) {
        do {
            let slot = try running(request.id)
            guard let shown = slot.mounts[request.path], shown.id > 0 else {
                throw Failure(.notFound, "nothing is mounted at \(request.path.text)")
            }
            guard !shown.isVolume else {
                throw Failure(.failedPrecondition, "a volume is mounted at \(request.path.text) until the sandbox ends")
            }
            guard !shown.isBucket else {
                throw Failure(.failedPrecondition, "a bucket is mounted at \(request.path.text) until the sandbox ends")
            }
            try checkIdle(request.path, in: slot)
            let namespace = SharedDescriptor(try ofInit("ns/mnt", of: slot))
            let finish = { [unowned self] (result: Result<[UInt64], Failure>) in
                if case .success = result {
                    slot.mounts[request.path] = nil
                    self.recordMounts(of: slot)
                }
                answer(result.map { _ in Done() })
            }
            try start(slot, [request.path], finish) { _ in
                try check(cordon_setns(namespace.raw, cordon_clone_newns), "setns", "mount")
                try MountMaking.detach(request.path, id: shown.id)
                return []
            }
        } catch { answer(.failure(error as? Failure ?? Failure(.internal, "\(error)"))) }
    }

    func running(_ id: SandboxID) throws -> Slot {
        guard let slot = sandboxes[id], case .running = slot.state, slot.endTimer == nil else {
            throw Failure(.failedPrecondition, "sandbox \(id) does not run")
        }
        return slot
    }

    func checkFree(_ path: FilePath, in slot: Slot) throws {
        guard path.isPlain else {
            throw Failure(.invalidArgument, "a mount's path is absolute, not /, and has no empty, . or .. component")
        }
        guard slot.mounts[path] == nil else {
            throw Failure(.alreadyExists, "something is mounted at \(path.text) already")
        }
        try checkIdle(path, in: slot)
    }

    func checkIdle(_ path: FilePath, in slot: Slot) throws {
        guard !mountWorks.values.contains(where: { $0.slot === slot && $0.paths.contains(path) }) else {
            throw Failure(.unavailable, "a mount at \(path.text) is being changed")
        }
    }

    /// A directory of the slot's for one more writable layer.
    private func mountStorage(of slot: Slot, _ mount: LayerMount) throws -> String {
        // What is written to a volume outlives the sandbox, and its disk.
        let storage = try (mount.isVolume ? files.slots.directory(slot.name) : self.storage(of: slot)).make("mounts")
        let name = "\(cordon_boottime_ns())"
        try storage.makeNew(name, mode: 0o755)
        let directory = try storage.directory(name)
        for child in ["u", "w"] { try directory.makeNew(child, mode: 0o755) }
        for child in ["scratch", "stamps"] { try directory.makeNew(child, mode: 0o755) }
        if mount.isVolume, let id = slot.sandbox {
            let about = LeftRecord(
                bootID: bootID, left: LeftWrites(sandbox: id, path: mount.path), layers: mount.layers)
            try directory.replace(LeftRecord.name, with: about.record)
        }
        if let top = mount.layers.last { try files.dress(try directory.directory("u"), as: top) }
        return name
    }

    func start(
        _ slot: Slot, _ paths: [FilePath], _ finish: @escaping (Result<[UInt64], Failure>) -> Void,
        _ work: (MountLeave) throws -> [UInt64]
    ) throws {
        var ends: [Int32] = [-1, -1]
        try check(pipe(&ends), "pipe")
        let reading = Descriptor(owning: ends[0])
        let writing = Descriptor(owning: ends[1])
        var pair: [Int32] = [-1, -1]
        try check(cordon_socketpair(Int32(SOCK_SEQPACKET.rawValue), &pair), "socketpair")
        let ours = Descriptor(owning: pair[0])
        let theirs = Descriptor(owning: pair[1])
        let pid = try LauncherChild.start {
            alarm(30)
            close(ours.raw)
            do {
                try work(MountLeave(socket: theirs.raw)).withUnsafeBytes { try writeAll($0, to: writing.raw) }
                _exit(0)
            } catch {
                let failure = error as? Failure ?? Failure(.failedPrecondition, "\(error)")
                _ = try? failure.record.withUnsafeBytes { try writeAll($0, to: writing.raw) }
                _exit(1)
            }
        }
        let raw = ours.raw
        let work = MountWork(slot: slot, paths: paths, words: reading, leave: ours, finish: finish)
        mountWorks[pid] = work
        try loop.watch(raw, for: .readable) { [unowned self, unowned work] _ in self.giveLeave(to: work) }
    }

    /// Puts the id of what will be mounted on record, and lets it be.
    private func giveLeave(to work: MountWork) {
        var id: UInt64 = 0
        let count = recv(work.leave.raw, &id, MemoryLayout<UInt64>.size, Int32(MSG_DONTWAIT))
        if count < 0 && errno == EAGAIN { return }
        guard count == MemoryLayout<UInt64>.size, work.told < work.paths.count else {
            return loop.unwatch(work.leave.raw)
        }
        work.slot.mounts[work.paths[work.told]]?.id = id
        work.told += 1
        recordMounts(of: work.slot)
        var byte: UInt8 = 1
        _ = Glibc.send(work.leave.raw, &byte, 1, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    }

    /// Whether it was such a process that ended.
    func mountWorkEnded(_ pid: pid_t, _ status: Int32) -> Bool {
        guard let work = mountWorks.removeValue(forKey: pid) else { return false }
        loop.unwatch(work.leave.raw)
        let words = (try? readAll(work.words.raw, limit: 4096)) ?? []
        if status == 0, words.count % MemoryLayout<UInt64>.size == 0 {
            work.finish(.success(words.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }))
        } else {
            let failure = (try? Failure(record: words)) ?? Failure(.aborted, "mounting broke off")
            work.finish(.failure(withoutPlaces(failure)))
        }
        return true
    }

    /// What is mounted in an adopted sandbox, by a record of before: what was on its way may have got there or not, and
    /// what was taken away may be on record still. The kernel knows.
    func mounts(of slot: Slot, recorded: [FilePath: ShownLayers]) -> [FilePath: ShownLayers] {
        guard let text = try? KernelFile.read("/proc/\(slot.initProcess)/mountinfo") else {
            return recorded.filter { $0.value.id > 0 }
        }
        let ids = Set(text.split(separator: "\n").compactMap { UInt64($0.prefix { $0 != " " }) })
        return recorded.filter { ids.contains($0.value.id) }
    }

    func recordMounts(of slot: Slot) {
        guard !slot.isReclaiming, let directory = try? files.runSlots.directory(slot.name) else { return }
        try? directory.replace(SlotNames.mounts, with: MountRecord(slot.mounts).record)
    }
}
