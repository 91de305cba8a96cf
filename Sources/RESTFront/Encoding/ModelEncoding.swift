import CordonAPI
import SandboxModel

extension EndResult {
    init(_ ending: Ending) {
        self.init(
            reason: ending.reason.rawValue, exitCode: ending.exitCode, signal: ending.signal,
            waitStatus: ending.waitStatus.map(Int.init), detail: ending.detail, at: APITime(ending.at))
    }
}

extension Sandbox {
    /// Variables aren't shown: they may hold what is nobody's business.
    init(_ snapshot: SandboxSnapshot) {
        let spec = snapshot.spec
        self.init(
            id: snapshot.id.text, app: spec.app.text, appID: snapshot.appID.text,
            sidecarOf: spec.sidecarOf?.text, name: spec.name?.text, tags: spec.tags.pairs, image: spec.image,
            imageID: spec.imageID?.text,
            imageHostChanged: spec.imageHostHasChanged ? true : nil, argv: spec.command?.argv,
            pty: spec.terminal.map { Terminal($0) }, workdir: spec.workdir ?? "/",
            policy: spec.policy, blockNetwork: (spec.network ?? .blocked) == .blocked,
            cidrAllowlist: spec.network?.allowlist?.ranges.map(\.description),
            domainAllowlist: spec.network?.allowlist?.domains.map(\.text),
            volumes: spec.volumes.isEmpty ? nil : spec.volumes.map { VolumeMountRequest($0) },
            cloudBuckets: spec.buckets.isEmpty ? nil : spec.buckets.map { CloudBucket($0) },
            state: snapshot.status.name, timeoutSeconds: spec.timeout.inSeconds,
            idleTimeoutSeconds: spec.idleTimeout?.inSeconds,
            cpu: Amount(
                request: Double(spec.resources.cpuMillicores.request) / 1000,
                limit: spec.resources.cpuMillicores.limit.map { Double($0) / 1000 }),
            memoryMiB: Amount(
                request: Double(spec.resources.memoryMiB.request),
                limit: spec.resources.memoryMiB.limit.map(Double.init)),
            pidsLimit: spec.resources.pidsLimit, diskMiB: spec.resources.diskMiB,
            createdAt: APITime(snapshot.createdAt),
            startedAt: snapshot.startedAt.map { APITime($0) }, deadline: snapshot.deadline.map { APITime($0) },
            readyAt: snapshot.readySince.map { APITime($0) }, result: snapshot.status.ending.map { EndResult($0) })
    }
}

extension Tunnel {
    init(_ endpoint: TunnelEndpoint) {
        let authority =
            (endpoint.host.contains(":") ? "[\(endpoint.host)]" : endpoint.host)
            + (endpoint.kind != .unencrypted && endpoint.hostPort == 443 ? "" : ":\(endpoint.hostPort)")
        self.init(
            containerPort: Int(endpoint.port), type: endpoint.kind.rawValue, host: endpoint.host,
            port: Int(endpoint.hostPort), url: (endpoint.kind == .unencrypted ? "tcp://" : "https://") + authority)
    }
}

extension NetworkPolicy {
    fileprivate var allowlist: NetworkAllowlist? {
        guard case .allowlist(let list) = self else { return nil }
        return list
    }
}

extension Exec {
    init(_ snapshot: ExecSnapshot) {
        let spec = snapshot.spec
        self.init(
            id: snapshot.id.text, sandboxID: snapshot.sandbox.text, argv: spec.command.argv, workdir: spec.workdir,
            user: spec.user, timeoutSeconds: spec.timeout?.inSeconds, onFull: spec.onFull.rawValue,
            stdout: spec.stdout.rawValue, stderr: spec.stderr.rawValue,
            pty: spec.terminal.map { Terminal($0) }, state: snapshot.status.name,
            createdAt: APITime(snapshot.createdAt), startedAt: snapshot.startedAt.map { APITime($0) },
            result: snapshot.status.ending.map { EndResult($0) })
    }
}

extension Terminal {
    init(_ terminal: TerminalSpec) {
        self.init(rows: terminal.size.rows, cols: terminal.size.columns, term: terminal.term)
    }
}

extension Event {
    init(_ event: SandboxEvent) {
        self.init(
            number: event.number, at: APITime(event.at), kind: event.kind.rawValue, execID: event.exec?.text,
            result: event.ending.map { EndResult($0) }, detail: event.detail)
    }
}

extension Stdin {
    init(_ state: StdinState) { self.init(accepted: state.accepted, closed: state.closed) }
}
