import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension LocalHost: LayerHost {
    public func keep(_ id: SandboxID, as layer: LayerName) async throws -> LayerFacts {
        try await launcher.ask(KeepLayer(id: id, layer: layer), for: LayerMade.self).facts
    }

    public func copy(_ id: SandboxID, path: FilePath?, as layer: LayerName) async throws -> LayerFacts {
        try await launcher.ask(CopyLayer(id: id, path: path?.text, layer: layer), for: LayerMade.self).facts
    }

    public func flatten(_ id: SandboxID, as layer: LayerName) async throws -> LayerFacts {
        try await launcher.ask(CopyLayer(id: id, path: nil, layer: layer, flattens: true), for: LayerMade.self).facts
    }

    public func mount(_ mount: LayerMount, in id: SandboxID) async throws {
        _ = try await launcher.ask(MountLayers(id: id, mount: mount), for: Done.self)
    }

    public func unmount(_ path: FilePath, in id: SandboxID) async throws {
        _ = try await launcher.ask(UnmountLayers(id: id, path: path), for: Done.self)
    }

    public func touched(
        in tree: TouchedTree, _ take: @escaping @Sendable ([TouchedPath]) throws -> Void
    ) async throws {
        // A caller that is cancelled lets it go on to its end, of which nobody hears.
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            listings.perform { source in done.resume(with: Result { try TouchedReading.run(tree, from: source, take) })
            }
        }
    }

    public func hostPrint() async throws -> String {
        try await launcher.ask(DescribeHost(), for: HostDescribed.self).print
    }

    public func layers() async throws -> [LayerName] {
        try await launcher.ask(ListLayers(), for: LayerList.self).layers
    }

    public func lostLayers() async throws -> [LayerName] {
        try await launcher.ask(ListLayers(), for: LayerList.self).lost
    }

    public func remove(_ layers: [LayerName]) async throws -> [LayerName] {
        try await launcher.ask(RemoveLayers(layers), for: LayerList.self).layers
    }
}

/// Takes what the launcher's process tells of a tree.
private enum TouchedReading {
    /// How long it may say nothing, in milliseconds.
    private static let patience: Int32 = 30_000

    static func run(
        _ tree: TouchedTree, from source: LauncherDescriptors, _ take: ([TouchedPath]) throws -> Void
    ) throws {
        let pipe = try source.open(ListTouched(tree))
        var assembler = FrameAssembler()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            while let frame = try assembler.next() {
                if frame.type == MessageType.fileEnd.rawValue { return }
                try take(try frame.decode(TouchedPaths.self).paths)
            }
            var polled = pollfd(fd: pipe.raw, events: Int16(POLLIN), revents: 0)
            let ready = poll(&polled, 1, patience)
            if ready < 0 && errno == EINTR { continue }
            let count = ready > 0 ? read(pipe.raw, &buffer, buffer.count) : 0
            guard count > 0 else { throw CordonError(.aborted, "looking through what was written broke off") }
            assembler.append(buffer[..<count])
        }
    }
}
