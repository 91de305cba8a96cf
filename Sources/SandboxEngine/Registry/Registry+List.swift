import SandboxModel

extension Registry {
    /// A page of what matches, newest first.
    func page(_ query: SandboxQuery) -> SandboxPage {
        let limit = min(max(query.limit, 1), 1000)
        var found: [SandboxSnapshot] = []
        let candidates = query.sidecarsOf.map { sidecars(of: $0)[...] } ?? sandboxes(before: query.before)
        for sandbox in candidates.reversed() {
            let snapshot = sandbox.snapshot
            guard query.matches(snapshot) else { continue }
            if found.count == limit { return SandboxPage(sandboxes: found, next: found.last?.createdAt) }
            found.append(snapshot)
        }
        return SandboxPage(sandboxes: found, next: nil)
    }

    /// The ended sandboxes that are kept no longer, first ended first.
    func overdue(at now: Timestamp, limits: EngineLimits) -> [Sandbox] {
        var ended: [(sandbox: Sandbox, at: Timestamp, bytes: Int)] = []
        for sandbox in sandboxes() {
            let snapshot = sandbox.snapshot
            if case .ended(let ending) = snapshot.status { ended.append((sandbox, ending.at, snapshot.spec.bytes)) }
        }
        ended.sort { $0.at < $1.at }
        var count = ended.count
        var bytes = ended.reduce(0) { $0 + $1.bytes }
        let oldest = now.microseconds - limits.retention.microseconds
        return ended.prefix { candidate in
            defer {
                count -= 1
                bytes -= candidate.bytes
            }
            return count > limits.retainedSandboxes || bytes > limits.retainedBytes
                || candidate.at.microseconds <= oldest
        }.map(\.sandbox)
    }
}

extension SandboxQuery {
    func matches(_ snapshot: SandboxSnapshot) -> Bool {
        snapshot.spec.sidecarOf == sidecarsOf && (before.map { snapshot.createdAt < $0 } ?? true)
            && (app.map { $0 == snapshot.spec.app } ?? true)
            && (name.map { $0 == snapshot.spec.name } ?? true)
            && (state.map { $0.rawValue == snapshot.status.name } ?? true)
            && snapshot.spec.tags.contains(tags)
    }
}

extension SandboxSpec {
    /// About how much memory its variable parts take.
    fileprivate var bytes: Int {
        var bytes = 512 + (command?.bytes ?? 0) + environment.bytes + imageEnvironment.bytes
        for (key, value) in tags.pairs { bytes += key.utf8.count + value.utf8.count + 32 }
        bytes += root.layers.count * 64 + ownNames.count * 256
        for volume in volumes { bytes += volume.path.text.utf8.count + 256 }
        for bucket in buckets { bytes += bucket.path.text.utf8.count + 2048 }
        for policy in [network, networkChange] {
            guard case .allowlist(let allowed) = policy else { continue }
            bytes += allowed.ranges.count * 48 + allowed.domains.count * 96
        }
        return bytes
    }
}
