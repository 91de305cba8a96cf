import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// What layers and sandboxes have touched: told by processes that can read those trees and do nothing else.
extension Launcher {
    private static let mostListings = 16
    /// How long one may take, its reader's time included, in seconds.
    private static let patience: UInt32 = 300

    /// The reading end of a pipe in which the paths come.
    func listTouched(in tree: TouchedTree) throws -> Descriptor {
        guard listings.count < Self.mostListings else {
            throw Failure(.unavailable, "\(Self.mostListings) trees are being looked through")
        }
        do {
            return try list(try trees(of: tree))
        } catch let error as SystemCallError { throw Failure(.internal, "\(error)") }
    }

    private func trees(of tree: TouchedTree) throws -> [(prefix: String, directory: Directory)] {
        switch tree {
        case .layer(let layer):
            guard files.layers.exists(layer.text) else { throw Failure(.notFound, "layer \(layer) is not here") }
            let directory = try files.layers.directory(layer.text)
            return try [("root", ""), ("usr", "usr")].filter { directory.exists($0.0) }
                .map { (prefix: $0.1, directory: try directory.directory($0.0)) }
        case .sandbox(let id):
            guard let slot = sandboxes[id], case .running = slot.state, slot.endTimer == nil else {
                throw Failure(.failedPrecondition, "sandbox \(id) does not run")
            }
            return try written(by: slot).compactMap { tree in
                tree.source.map { (prefix: tree.name == "usr" ? "usr" : "", directory: $0) }
            }
        }
    }

    private func list(_ trees: [(prefix: String, directory: Directory)]) throws -> Descriptor {
        let empty = try files.images.directory("\(bareName)/root/sys")
        var ends: [Int32] = [-1, -1]
        try check(pipe(&ends), "pipe")
        let reading = Descriptor(owning: ends[0])
        let writing = Descriptor(owning: ends[1])
        let output = writing.raw
        let pid = try LauncherChild.start {
            alarm(Self.patience)
            TouchedListing.run(trees, into: output, empty: empty)
        }
        _ = consume writing
        listings.insert(pid)
        return reading
    }
}

/// The work of such a process.
private enum TouchedListing {
    static func run(_ trees: [(prefix: String, directory: Directory)], into output: Int32, empty: Directory) -> Never {
        do {
            let tops = try trees.map { (prefix: Array($0.prefix.utf8), top: try LayerMaking.readable($0.directory)) }
            ConfinedWalk.closeAll(but: [empty.raw, output] + tops.map(\.top.raw))
            try check(cordon_confine_walker(empty.raw), "confine")
            let pages = PageWriter(output)
            for tree in tops {
                try LayerWalk { try pages.add($0, $1) }.walk(tree.top.raw, below: tree.prefix)
            }
            try pages.finish()
            _exit(0)
        } catch {
            // The end is missing: that says it.
            _exit(1)
        }
    }
}

/// Sends paths in messages of some size.
private final class PageWriter {
    private let output: Int32
    private var paths: [TouchedPath] = []
    private var bytes = 0

    init(_ output: Int32) { self.output = output }

    func add(_ path: [UInt8], _ kind: LayerWalk.Kind) throws {
        guard let kind = TouchedPath.Kind(rawValue: kind.rawValue) else { return }
        paths.append(TouchedPath(path: path, kind: kind))
        bytes += path.count + 8
        if bytes >= TouchedPaths.bytes { try send() }
    }

    func finish() throws {
        try send()
        try write(FileEnd(isWhole: true))
    }

    private func send() throws {
        guard !paths.isEmpty else { return }
        try write(TouchedPaths(paths))
        paths.removeAll(keepingCapacity: true)
        bytes = 0
    }

    private func write(_ message: some Message) throws {
        try Frame.bytes(message, request: 0).withUnsafeBytes { try writeAll($0, to: output) }
    }
}
