import SandboxModel

/// Two trees, each seen in a sandbox of its own, compared in the order of their names. What the sandboxes say is hostile.
///
/// A file is modified when its content, kind, mode or owner differ; times, attributes and link counts don't count. Content
/// is compared by its SHA-256, which an agent inside makes, and only where size and kind are the same.
struct TreeComparison {
    /// Up to so many names of a directory are asked for one by one.
    private static let mostSingly = 16
    private static let pageNames = 5000
    /// What the service mounts in every sandbox: no image's.
    private static let mounted: Set<String> = [
        "dev", "proc", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf",
    ]

    private let before: any FileSession
    private let after: any FileSession
    private let query: TreeDiffQuery
    private let scope: [[UInt8]]
    private let cursor: [[UInt8]]?
    private var texts = TextComparison()
    private var changes: [TreeChange] = []
    private var isFull = false

    /// A directory's name and what it is on both sides.
    private struct Pair {
        var name: [UInt8]
        var before: FileAttributes?
        var after: FileAttributes?
    }

    init(before: any FileSession, after: any FileSession, query: TreeDiffQuery) {
        (self.before, self.after, self.query) = (before, after, query)
        scope = query.path.components
        cursor = query.after?.split(separator: UInt8(ascii: "/")).map(Array.init)
    }

    /// One page of what differs where `touched` says that something may.
    mutating func run(_ touched: TouchedNames.Node) async throws -> TreeDiff {
        try await compare([], touched, sides: (true, true))
        return TreeDiff(changes: changes, next: isFull ? changes.last?.path : nil)
    }

    // MARK: Directories

    /// Compares what is in a directory, of which there is one on each of `sides`.
    ///
    /// - Parameter touched: nil for all that is in it.
    private mutating func compare(
        _ path: [[UInt8]], _ touched: TouchedNames.Node?, sides: (before: Bool, after: Bool)
    ) async throws {
        try Task.checkCancellation()
        let touched = touched?.isWhole == true ? nil : touched
        for pair in try await pairs(in: path, touched, sides) {
            let child = path + [pair.name]
            guard !isFull, leadsSomewhere(child) else { continue }
            try await compare(pair, child, touched.map { $0.children[pair.name] ?? TouchedNames.Node() })
        }
    }

    private mutating func compare(_ pair: Pair, _ path: [[UInt8]], _ touched: TouchedNames.Node?) async throws {
        let (old, new) = (pair.before, pair.after)
        guard old != nil || new != nil else { return }
        if isWanted(path), let kind = try await difference(pair, path) { try await add(kind, pair, path) }
        guard !isFull, old?.kind == .directory || new?.kind == .directory else { return }
        let sides = (old?.kind == .directory, new?.kind == .directory)
        // What is on one side alone is listed whole.
        try await compare(path, sides.0 && sides.1 ? touched : nil, sides: sides)
    }

    /// The names that may differ, in order.
    private func pairs(
        in path: [[UInt8]], _ touched: TouchedNames.Node?, _ sides: (before: Bool, after: Bool)
    ) async throws -> [Pair] {
        var wanted = touched.map { Set($0.children.keys) }
        // Of all that lies outside only the way is of interest.
        if path.count < scope.count, wanted.map({ $0.contains(scope[path.count]) }) ?? true {
            wanted = [scope[path.count]]
        }
        if let wanted, wanted.count <= Self.mostSingly, let found = try await singly(wanted, in: path, sides) {
            return found
        }
        var pairs: [[UInt8]: Pair] = [:]
        for (session, isThere, field) in [
            (before, sides.before, \Pair.before), (after, sides.after, \Pair.after),
        ] where isThere {
            for entry in try await list(path, session) where wanted?.contains(entry.name) ?? true {
                pairs[entry.name, default: Pair(name: entry.name)][keyPath: field] = entry.attributes
            }
        }
        return pairs.values.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// nil where one of the names isn't UTF-8: none of those can be asked for.
    private func singly(
        _ names: Set<[UInt8]>, in path: [[UInt8]], _ sides: (before: Bool, after: Bool)
    ) async throws -> [Pair]? {
        var pairs: [Pair] = []
        for name in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            guard let file = Self.path(path + [name]) else { return nil }
            pairs.append(
                Pair(
                    name: name, before: sides.before ? try await Self.attributes(of: file, before) : nil,
                    after: sides.after ? try await Self.attributes(of: file, after) : nil))
        }
        return pairs
    }

    private static func attributes(of path: FilePath, _ session: any FileSession) async throws -> FileAttributes? {
        do {
            return try await session.attributes(of: path, followingLinks: false)
        } catch let error as CordonError where error.isAbsence { return nil }
    }

    private func list(_ path: [[UInt8]], _ session: any FileSession) async throws -> [DirectoryEntry] {
        // A directory whose name nobody can give isn't looked into.
        guard let file = Self.path(path) else { return [] }
        var entries: [DirectoryEntry] = []
        var last: [UInt8] = []
        while true {
            let page: DirectoryPage
            do {
                page = try await session.list(file, after: last, limit: Self.pageNames)
            } catch let error as CordonError where error.isAbsence { return entries }
            entries += page.entries
            guard page.hasMore, let end = page.entries.last?.name, last.lexicographicallyPrecedes(end) else {
                return entries
            }
            guard entries.count <= TouchedNames.most else {
                throw CordonError(.resourceExhausted, "a directory has more than \(TouchedNames.most) names")
            }
            last = end
        }
    }

    private static func path(_ names: [[UInt8]]) -> FilePath? {
        String(validating: names.joined(separator: [UInt8(ascii: "/")]), as: UTF8.self)
            .flatMap { try? FilePath("/" + $0) }
    }

    // MARK: One name

    /// Whether it, or something below it, can be part of this page.
    private func leadsSomewhere(_ path: [[UInt8]]) -> Bool {
        guard zip(path, scope).allSatisfy({ $0 == $1 }) else { return false }
        if path.count <= 2, Self.mounted.contains(Self.text(path)) { return false }
        guard let cursor else { return true }
        return !path.lexicographicallyPrecedes(cursor, by: { $0.lexicographicallyPrecedes($1) })
            || cursor.starts(with: path)
    }

    private func isWanted(_ path: [[UInt8]]) -> Bool {
        guard path.count >= scope.count else { return false }
        guard let cursor else { return true }
        return cursor.lexicographicallyPrecedes(path, by: { $0.lexicographicallyPrecedes($1) })
    }

    private static func text(_ path: [[UInt8]]) -> String {
        String(decoding: Array(path.joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
    }

    private func difference(_ pair: Pair, _ path: [[UInt8]]) async throws -> TreeChange.Kind? {
        guard let old = pair.before else { return .added }
        guard let new = pair.after else { return .removed }
        if (old.kind, old.mode, old.user, old.group) != (new.kind, new.mode, new.user, new.group) { return .modified }
        switch old.kind {
        case .file, .link:
            if old.size != new.size { return .modified }
            guard old.size > 0 else { return nil }
            // What can't be named is told apart by its time.
            guard let file = Self.path(path) else { return old.modifiedAt == new.modifiedAt ? nil : .modified }
            return try await before.digest(of: file) == after.digest(of: file) ? nil : .modified
        default: return nil
        }
    }

    private mutating func add(_ kind: TreeChange.Kind, _ pair: Pair, _ path: [[UInt8]]) async throws {
        guard changes.count < query.limit else {
            isFull = true
            return
        }
        var change = TreeChange(
            path: Array(path.joined(separator: [UInt8(ascii: "/")])), kind: kind, before: pair.before,
            after: pair.after)
        if query.showsText, pair.before?.kind ?? .file == .file, pair.after?.kind ?? .file == .file,
            let file = Self.path(path)
        {
            change.text = try await texts.compare(
                file, old: pair.before.map { ($0, before) }, new: pair.after.map { ($0, after) })
        }
        changes.append(change)
    }
}

extension CordonError {
    /// Whether there is no such file, as far as the path goes.
    fileprivate var isAbsence: Bool {
        code == .notFound || detail["reason"] == FileFault.notADirectory.rawValue
    }
}
