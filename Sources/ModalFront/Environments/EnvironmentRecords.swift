import Foundation
import SandboxModel

/// The environments that there are, in a file that is replaced with every change.
actor EnvironmentRecords {
    static let mostEnvironments = 1000

    /// One environment.
    struct Record: Codable, Sendable {
        var name: String
        /// Seconds since 1970.
        var createdAt: Double
    }

    private let path: String
    private var records: [Record]

    /// - Parameter path: Where they are; `main` alone where there is no such file.
    init(path: String) throws {
        self.path = path
        guard let data = FileManager.default.contents(atPath: path) else {
            records = [Record(name: EnvironmentNames.main, createdAt: Timestamp.now().inSeconds)]
            return
        }
        records = try JSONDecoder().decode([Record].self, from: data)
    }

    /// In the order in which they were made.
    var all: [Record] { records }
    var names: Set<String> { Set(records.map(\.name)) }

    func find(_ name: String) -> Record? { records.first { $0.name == EnvironmentNames.resolved(name) } }

    /// Makes one, or answers the one that is there. Throws `resourceExhausted` when there are too many.
    func make(_ name: String) throws -> Record {
        if let found = find(name) { return found }
        try EnvironmentNames.check(name)
        guard records.count < Self.mostEnvironments else {
            throw CordonError(.resourceExhausted, "there are \(records.count) environments, which is the most")
        }
        let record = Record(name: name, createdAt: Timestamp.now().inSeconds)
        try write(records + [record])
        return record
    }

    /// Forgets one. What it holds stays where it is, under its outer name.
    func remove(_ name: String) throws {
        guard name != EnvironmentNames.main else {
            throw CordonError(.failedPrecondition, "the environment main stays", field: "name", value: name)
        }
        guard find(name) != nil else { throw CordonError.noEnvironment(name) }
        try write(records.filter { $0.name != name })
    }

    private func write(_ changed: [Record]) throws {
        try JSONEncoder().encode(changed).write(to: URL(fileURLWithPath: path), options: .atomic)
        records = changed
    }
}

extension CordonError {
    static func noEnvironment(_ name: String) -> CordonError {
        CordonError(
            .notFound, "there is no environment \(name.prefix(64)); modal environment create makes it",
            field: "environment_name", value: name)
    }
}
