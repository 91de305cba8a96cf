import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Buckets in sandboxes: each is served by a program outside, in a group beside the sandbox's that ends with it. When the
/// program is gone the kernel gives up what waits for it, so that nothing of a bucket's keeps a sandbox from ending.
extension Launcher {
    /// How long the first answers of a sandbox's buckets may take.
    private static let patience = Duration.seconds(25)

    /// Shows buckets in a sandbox that is being assigned, all or none of them.
    func mount(_ buckets: [BucketOrder], in slot: Slot, answer: @escaping (Result<Void, Failure>) -> Void) throws {
        guard buckets.count <= BucketMount.maximumCount else {
            throw Failure(.invalidArgument, "a sandbox has at most \(BucketMount.maximumCount) buckets")
        }
        for bucket in buckets { try checkFree(bucket.mount.path, in: slot) }
        let program = try BucketProgram.path()
        let group = try programGroup(of: slot, count: buckets.count)
        let namespace = SharedDescriptor(try ofInit("ns/mnt", of: slot))
        let making = BucketMaking(
            orders: buckets, program: program, helper: configuration.shim,
            ground: "\(configuration.dataDirectory)/storage/images/\(bareName)/root/sys", group: group,
            idBase: slot.idBase)
        let paths = buckets.map(\.mount.path)
        for path in paths { slot.mounts[path] = ShownLayers(bucketWithID: 0) }
        // What waits for an answer goes on, with an error, when the programs are dead.
        var isLate = false
        let limit = loop.schedule(after: Self.patience) {
            isLate = true
            try? group.kill()
        }
        let finish = { [unowned self] (result: Result<[UInt64], Failure>) in
            self.loop.cancel(limit)
            // Those that answered in time are dead with the others.
            let late = Failure(.failedPrecondition, "the buckets' services took too long to answer")
            let result = isLate ? result.flatMap { _ in .failure(late) } : result
            if case .failure = result { for path in paths { slot.mounts[path] = nil } }
            self.recordMounts(of: slot)
            answer(result.map { _ in })
        }
        do {
            try start(slot, paths, finish) { leave in
                try making.attach(in: namespace.raw) { try leave.ask(for: $0) }
                return []
            }
        } catch {
            loop.cancel(limit)
            for path in paths { slot.mounts[path] = nil }
            throw error
        }
    }

    /// Limited, and closed to what buckets may not reach, before anything is in it.
    private func programGroup(of slot: Slot, count: Int) throws -> ControlGroup {
        let group = slot.group.aside
        var limits = BucketProgram.limits
        limits.memoryBytes *= UInt64(count)
        limits.pids *= count
        try group.create()
        try group.apply(limits)
        do {
            let route = try NetlinkSocket(NETLINK_ROUTE)
            let addresses = try route.addresses().compactMap { IPAddress(bytes: $0.address.bytes) }
            try BucketReach(opened: configuration.bucketRanges, hostAddresses: addresses).filter.attach(to: group)
        } catch {
            throw Failure(.failedPrecondition, "cloud_buckets takes a kernel that judges addresses by group: \(error)")
        }
        return group
    }
}
