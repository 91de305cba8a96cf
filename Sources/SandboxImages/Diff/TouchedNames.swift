import SandboxModel
import Synchronization

/// The paths that some layers have touched, as a tree of names: what two images can differ in.
final class TouchedNames: Sendable {
    /// More names than this aren't held: what differs in more isn't compared.
    static let most = 250_000

    /// One name, and what was touched below it.
    struct Node {
        var children: [[UInt8]: Node] = [:]
        /// Whether nothing is known of what lies below: all of it may differ.
        var isWhole = false
    }

    private struct State {
        var root = Node()
        var count = 0
    }

    private let state = Mutex(State())
    /// Only what leads to this path and lies below it is held.
    private let scope: [[UInt8]]

    init(below scope: FilePath) { self.scope = scope.components }

    var root: Node { state.withLock(\.root) }

    /// Throws `resourceExhausted` when there are too many.
    func add(_ paths: [TouchedPath]) throws {
        try state.withLock { state in
            for path in paths {
                let names = path.path.split(separator: UInt8(ascii: "/")).map(Array.init)
                // "." and ".." are nobody's names: a tree that tells of such lies.
                guard !names.isEmpty, !names.contains(where: { $0 == [46] || $0 == [46, 46] }), isWanted(names) else {
                    continue
                }
                state.count += state.root.insert(names[...], isWhole: path.kind == .replaced)
                guard state.count <= Self.most else {
                    throw CordonError(
                        .resourceExhausted, "they differ in more than \(Self.most) names", field: "path",
                        rule: "a directory in which fewer differ")
                }
            }
        }
    }

    private func isWanted(_ names: [[UInt8]]) -> Bool { zip(names, scope).allSatisfy { $0 == $1 } }
}

extension TouchedNames.Node {
    /// How many names are new.
    fileprivate mutating func insert(_ names: ArraySlice<[UInt8]>, isWhole: Bool) -> Int {
        guard let name = names.first else {
            self.isWhole = self.isWhole || isWhole
            return 0
        }
        let count = children[name] == nil ? 1 : 0
        return count + children[name, default: Self()].insert(names.dropFirst(), isWhole: isWhole)
    }
}

extension FilePath {
    /// Its names, `.` and nothing left out.
    var components: [[UInt8]] {
        text.utf8.split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != [46] }
    }
}
