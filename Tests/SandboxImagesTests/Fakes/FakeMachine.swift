import Foundation
import ProgramSupport
import SandboxModel
import Synchronization

/// A machine's side made of directories: a sandbox is one, and so is a layer. Archives are unpacked by tar.
final class FakeMachine: SandboxHost, LayerHost {
    struct State {
        var roots: [SandboxID: RootImage] = [:]
        var launches = 0
        var unpackings = 0
        /// Commands that ran, with how they ended and what they wrote.
        var execs: [ExecID: (ending: Ending, stdout: [UInt8])] = [:]
        var orders: [ExecOrder] = []
        /// Layers that a sandbox is said to use.
        var inUse: Set<LayerName> = []
        var hostPrint = "one"
        /// Layers that loss of power has torn.
        var lost: [LayerName] = []
    }

    let directory: String
    let reports = AsyncStream<HostReport> { $0.finish() }
    private let state = Mutex(State())

    init(directory: String) throws {
        self.directory = directory
        for name in ["sandboxes", "layers"] {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
        }
    }

    func with<Value: Sendable>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

    func path(_ id: SandboxID) -> String { "\(directory)/sandboxes/\(id)" }
    func path(_ layer: LayerName) -> String { "\(directory)/layers/\(layer)" }

    // MARK: Sandboxes

    func launch(_ order: LaunchOrder) async throws -> LaunchReceipt {
        for layer in order.root.layers where !FileManager.default.fileExists(atPath: path(layer)) {
            throw CordonError(.internal, "there is no layer \(layer)")
        }
        with { state in
            state.roots[order.id] = order.root
            state.launches += 1
        }
        try FileManager.default.createDirectory(atPath: path(order.id), withIntermediateDirectories: false)
        // What lies below is copied: what it has of that is taken away again when it becomes a layer.
        for layer in order.root.layers {
            _ = try await HostProgram.result(of: "/bin/cp", ["-a", path(layer) + "/.", path(order.id)])
        }
        return LaunchReceipt(startedAt: .now(), deadline: .now(), main: nil)
    }

    func terminate(_ id: SandboxID, detail: String) async throws -> Ending {
        // What was kept has become a layer.
        if FileManager.default.fileExists(atPath: path(id)) { try FileManager.default.removeItem(atPath: path(id)) }
        return Ending(.terminated, detail: detail, at: .now())
    }

    func forget(_ id: SandboxID) async throws { with { _ = $0.roots.removeValue(forKey: id) } }

    func openFiles(in id: SandboxID, as user: String?) async throws -> any FileSession {
        FakeSession(machine: self, root: path(id))
    }

    // MARK: Layers

    func keep(_ id: SandboxID, as layer: LayerName) async throws -> LayerFacts {
        for below in with({ $0.roots[id] })?.layers ?? [] {
            _ = try await HostProgram.result(
                of: "/bin/sh",
                [
                    "-c",
                    "cd \"$0\" && find . -type f | while read -r f; do cmp -s \"$f\" \"$1/$f\" && rm \"$1/$f\"; done",
                    path(below), path(id),
                ])
        }
        if FileManager.default.fileExists(atPath: path(layer)) {
            try FileManager.default.removeItem(atPath: path(id))
        } else {
            try FileManager.default.moveItem(atPath: path(id), toPath: path(layer))
        }
        let entries = FileManager.default.enumerator(atPath: path(layer))?.allObjects.count ?? 0
        let liesOnHost = with { $0.roots[id]?.base == .host }
        return LayerFacts(
            bytes: 10, entries: UInt64(entries), hostPrint: liesOnHost ? with { $0.hostPrint } : nil)
    }

    func copy(_ id: SandboxID, path: FilePath?, as layer: LayerName) async throws -> LayerFacts { throw unasked }

    func flatten(_ id: SandboxID, as layer: LayerName) async throws -> LayerFacts { throw unasked }
    func mount(_ mount: LayerMount, in id: SandboxID) async throws { throw unasked }
    func unmount(_ path: FilePath, in id: SandboxID) async throws { throw unasked }

    func hostPrint() async throws -> String { with { $0.hostPrint } }

    /// Every name of the layer's directory, as new.
    func touched(
        in tree: TouchedTree, _ take: @escaping @Sendable ([TouchedPath]) throws -> Void
    ) async throws {
        guard case .layer(let layer) = tree else { throw unasked }
        let names = FileManager.default.enumerator(atPath: path(layer))?.allObjects.compactMap { $0 as? String } ?? []
        try take(names.map { TouchedPath(path: Array($0.utf8), kind: .directory) })
    }

    func layers() async throws -> [LayerName] {
        try FileManager.default.contentsOfDirectory(atPath: "\(directory)/layers").compactMap { LayerName($0) }
    }

    func lostLayers() async throws -> [LayerName] { with { $0.lost } }

    func remove(_ layers: [LayerName]) async throws -> [LayerName] {
        let kept = with { state in
            state.lost.removeAll { layers.contains($0) }
            return layers.filter { state.inUse.contains($0) }
        }
        for layer in layers where !kept.contains(layer) { try FileManager.default.removeItem(atPath: path(layer)) }
        return kept
    }

    // MARK: Commands, which run in the sandbox's directory

    func startExec(_ order: ExecOrder, in id: SandboxID) async throws -> HostedExec {
        if let known = with({ $0.execs[order.id] }) {
            return HostedExec(id: order.id, startedAt: .now(), status: .ended(known.ending))
        }
        let result = try await HostProgram.result(
            of: "/usr/bin/env",
            ["-C", path(id)] + order.environment.variables.map { "\($0.key)=\($0.value)" } + order.spec.command.argv)
        let ending = Ending(.exited, exitCode: Int(result.status), at: .now())
        with { state in
            state.execs[order.id] = (ending, Array(result.output.utf8))
            state.orders.append(order)
        }
        return HostedExec(id: order.id, startedAt: .now(), status: .running)
    }

    func output(
        _ stream: SandboxModel.OutputStream, of exec: ExecID, in id: SandboxID
    ) async throws -> any OutputReader {
        FakeOutput(bytes: stream == .stdout ? with { $0.execs[exec]?.stdout ?? [] } : [])
    }

    private struct FakeOutput: OutputReader {
        let bytes: [UInt8]

        func extent() throws -> StreamExtent { StreamExtent(first: 0, end: UInt64(bytes.count), closed: true) }
        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> StreamRead {
            let rest = bytes.dropFirst(Int(offset)).prefix(buffer.count)
            guard !rest.isEmpty else { return .end }
            buffer.copyBytes(from: rest)
            return .bytes(rest.count)
        }
        func waitBeyond(_ offset: UInt64, upTo limit: Duration) async throws -> StreamExtent { try extent() }
        func close() async {}
    }

    // MARK: What images have no use for

    private var unasked: CordonError { CordonError(.unimplemented, "nobody asks this here") }

    func inventory() async throws -> [HostedSandbox] { [] }
    func setDeadlines(of id: SandboxID, deadline: Timestamp?, idleTimeout: IdleTimeoutChange) async throws {}
    func setNetwork(of id: SandboxID, to policy: NetworkPolicy) async throws {}
    func signal(_ exec: ExecID, in id: SandboxID, number: Int32) async throws {}
    func resize(_ exec: ExecID, in id: SandboxID, to size: TerminalSize) async throws {}
    func writeStdin(
        of exec: ExecID, in id: SandboxID, offset: UInt64, bytes: [UInt8], end: Bool, upTo limit: Duration
    ) async throws -> StdinState { throw unasked }
    func stdinState(of exec: ExecID, in id: SandboxID) async throws -> StdinState { throw unasked }
    func log(of exec: ExecID, in id: SandboxID, since: Timestamp?, until: Timestamp?, limit: Int) async throws
        -> [LogEntry]
    { throw unasked }
    func connect(to port: UInt16, of id: SandboxID, within limit: Duration) async throws -> SandboxConnection {
        throw unasked
    }
    func lease(on id: SandboxID) throws -> any SandboxLease { throw unasked }
    func readiness() async -> Readiness { Readiness(ready: true) }
}
