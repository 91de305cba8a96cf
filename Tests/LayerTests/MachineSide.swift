import Foundation
import Logging
import SandboxModel
import SandboxRuntime
import ServiceSupport
import ShimProtocol

/// The machine's side of a running service, spoken to as its engine does.
final class MachineSide: Sendable {
    let host: LocalHost
    private let endings = Endings()

    /// How execs ended.
    private actor Endings {
        private var known: [ExecID: Ending] = [:]
        private var waiters: [ExecID: CheckedContinuation<Ending, Never>] = [:]

        func note(_ exec: ExecID, _ ending: Ending) {
            known[exec] = ending
            waiters.removeValue(forKey: exec)?.resume(returning: ending)
        }

        func ending(of exec: ExecID) async -> Ending {
            if let ending = known[exec] { return ending }
            return await withCheckedContinuation { waiters[exec] = $0 }
        }
    }

    init(_ service: ServiceInstance) throws {
        // Every call is allowed: struct sock_filter {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}.
        let anything: [UInt8] = [6, 0, 0, 0, 0, 0, 0xff, 0x7f]
        host = try LocalHost(
            RuntimeConfiguration(
                runDirectory: service.runDirectory, dataDirectory: service.dataDirectory,
                seccompPrograms: ["default": anything],
                defaultLimits: LaunchLimits(
                    memoryBytes: 1 << 30, cpuMillicores: 0, cpuWeightMillicores: 100, pids: 500)),
            logger: Logger(label: "layers"))
    }

    /// Runs `work` while the launcher's connection is kept and reports are heard.
    func during<Value>(_ work: () async throws -> Value) async throws -> Value {
        let connection = Task { await host.run() }
        let reports = Task {
            for await report in host.reports {
                if case .execEnded(_, let exec, let ending) = report { await endings.note(exec, ending) }
            }
        }
        defer {
            connection.cancel()
            reports.cancel()
        }
        return try await work()
    }

    /// Starts a sandbox on an image.
    func launch(_ root: RootImage = .host) async throws -> SandboxID {
        let id = SandboxID.mint(lead: "test")
        let spec = SandboxSpec(timeout: .seconds(600))
        _ = try await host.launch(LaunchOrder(id: id, spec: spec, hostname: "test", root: root))
        return id
    }

    /// What a shell script prints; throws unless it ends with 0.
    @discardableResult
    func shell(_ script: String, in id: SandboxID) async throws -> String {
        let spec = ExecSpec(command: try CommandSpec(argv: ["/bin/sh", "-euc", "exec 2>&1\n" + script]), stdin: false)
        let order = ExecOrder(id: spec.id, spec: spec, environment: .empty, workdir: "/")
        _ = try await host.startExec(order, in: id)
        let ending = await endings.ending(of: spec.id)
        let reader = try await host.output(.stdout, of: spec.id, in: id)
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        var text = ""
        if case .bytes(let count) = try bytes.withUnsafeMutableBytes({ try reader.read(at: 0, into: $0) }) {
            text = String(decoding: bytes[..<count], as: UTF8.self)
        }
        await reader.close()
        guard ending.exitCode == 0 else {
            throw ServiceInstance.Unavailable("\(ending): \(text)")
        }
        return text
    }

    func end(_ id: SandboxID) async throws { _ = try await host.terminate(id, detail: "the test is over") }
}

func layer(_ text: String) throws -> LayerName {
    guard let name = LayerName(text) else { throw ServiceInstance.Unavailable("\(text) is no layer's name") }
    return name
}
