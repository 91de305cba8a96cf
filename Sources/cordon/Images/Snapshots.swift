import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Keeps what a sandbox has changed as an image, and shows what came of what.",
        subcommands: [SnapshotCreate.self, SnapshotDiff.self, SnapshotTree.self], defaultSubcommand: SnapshotCreate.self
    )
}

struct SnapshotCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Keeps what a sandbox has changed, or one of its directories, as an image.",
        discussion: "The sandbox stands still while its changes are copied, and goes on. Prints the image's id.")

    @OptionGroup var service: ServiceOptions
    @Option(
        help: ArgumentHelp("Keep this directory alone; it can be mounted into other sandboxes.", valueName: "directory")
    )
    var path: String?
    @Option(help: ArgumentHelp("When the image may be removed, from now; never unless said.", valueName: "seconds"))
    var ttl: Double?
    @Option(help: "A name for the image.") var name: String?
    @Flag(help: "Print the image as JSON.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func run() async throws {
        let client = try service.client()
        let request = CreateSnapshotRequest(
            kind: path == nil ? "filesystem" : "directory", path: path, ttlSeconds: ttl,
            snapshotID: UUID().uuidString.lowercased(), name: name)
        let image = try await reporting {
            try await client.snapshot(try await client.sandbox(sandbox).id, request)
        }
        if json { return try printJSON(image) }
        print(image.id)
        sayLeftOut(image.leftOut, image.leftOutCount)
    }
}

struct SnapshotTree: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tree", abstract: "Shows which snapshot was made of a sandbox that was made from which.")

    @OptionGroup var service: ServiceOptions
    @Flag(help: "As JSON, one image on a line.") var json = false
    @Argument(help: "The image to begin with; all without one.") var image: String?

    func run() async throws {
        let client = try service.client()
        let nodes = try await reporting { try await client.imageTree(from: image) }
        let parents = Set(nodes.compactMap(\.parent))
        for node in nodes {
            if json {
                try printJSON(node)
            } else if image != nil || node.kind == "snapshot" || parents.contains(node.id) {
                show(node)
            }
        }
    }

    private func show(_ node: ImageTreeNode) {
        let from = node.sandboxID.map { "  of \($0)" } ?? ""
        let name = node.names.first.map { "  \($0)" } ?? ""
        let changed = node.hostChanged == true ? "  (the host's /usr has changed since)" : ""
        let indent = String(repeating: "  ", count: min(node.depth, 100))
        print(
            "\(indent)\(node.id)  \(node.kind)  \(node.sizeBytes >> 20) MiB  \(node.createdAt)\(from)\(name)\(changed)")
    }
}

struct MountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Shows an image, or an empty directory, at a directory of a running sandbox.",
        discussion: "What the sandbox writes there is its own, and goes with the mount.")

    @OptionGroup var service: ServiceOptions
    @Option(help: "An image's id or name; an empty directory without one.") var image: String?
    @Flag(help: "Nothing can be written there.") var readOnly = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference
    @Argument(help: "The directory; made where there is none.") var path: String

    func run() async throws {
        let client = try service.client()
        let request = CreateMountRequest(path: path, image: image, readOnly: readOnly)
        try await reporting { try await client.mount(request, in: try await client.sandbox(sandbox).id) }
    }
}

struct UnmountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount", abstract: "Takes away what was mounted at a directory of a running sandbox.")

    @OptionGroup var service: ServiceOptions
    @Argument(help: "The sandbox.") var sandbox: SandboxReference
    @Argument(help: "The directory.") var path: String

    func run() async throws {
        let client = try service.client()
        try await reporting { try await client.unmount(path, in: try await client.sandbox(sandbox).id) }
    }
}
