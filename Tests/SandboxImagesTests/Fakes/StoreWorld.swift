import Foundation
import Logging
import ProgramSupport
import SandboxCatalog
import SandboxImages
import SandboxModel

/// A store of images on a machine made of directories, with a real catalog.
struct StoreWorld: Sendable {
    let directory: String
    let machine: FakeMachine
    let catalog: Catalog
    let store: ImageStore

    init(in directory: String, registries: RegistryOptions = RegistryOptions()) throws {
        self.directory = directory
        machine = try FakeMachine(directory: directory)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        catalog = try Catalog(directory: directory, logger: logger)
        var limits = ImageLimits()
        limits.reserveBytes = 0
        store = try ImageStore(
            host: machine, layers: machine, records: catalog.images, directory: directory, node: .mint(),
            registries: registries, limits: limits, logger: logger)
    }

    /// Downloads that are there, whole or not.
    var downloads: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory + "/blobs")) ?? []).sorted()
    }

    func text(_ path: String, in layer: LayerName) -> String? {
        try? String(contentsOfFile: machine.path(layer) + "/" + path, encoding: .utf8)
    }
}

/// Gives `body` a directory of its own, and removes it.
func withDirectory<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let directory = "/tmp/cordon-images-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try await body(directory)
}

/// Gives `body` an OCI layout of the images `one` and `two`, which share their first layer.
func withLayout<Value>(_ body: (_ layout: String, _ directory: String) async throws -> Value) async throws -> Value {
    try await withDirectory { directory in
        let layout = directory + "/layout"
        let made = try await HostProgram.result(of: "/usr/bin/python3", [try Program.named("layout.py"), layout])
        guard made.status == 0 else { throw CordonError(.internal, made.output) }
        return try await body(layout, directory)
    }
}

/// Gives `body` the port of a registry that serves a layout.
func withRegistry<Value>(
    of layout: String, _ how: String, _ body: (_ port: Int) async throws -> Value
) async throws -> Value {
    let (program, line) = try await Program.start(
        "/usr/bin/python3", [try Program.named("registry.py"), layout, how])
    defer {
        program.kill(SIGKILL)
        program.wait()
    }
    guard let port = Int(line) else { throw CordonError(.internal, line) }
    return try await body(port)
}

/// What `work` is refused with; nil when it isn't.
func refusal(_ work: () async throws -> ImageRecord) async -> CordonError? {
    do {
        _ = try await work()
        return nil
    } catch { return error as? CordonError }
}
