/// What can go wrong with the records on disk. It names tables and ids, never values or SQL.
public enum CatalogError: Error, Sendable, CustomStringConvertible {
    /// The file was written by a newer version of the service.
    case newerSchema(file: String)
    /// SQLite did not take a setting that durability rests on.
    case setting(file: String, name: String, wanted: Int, found: Int?)
    /// The file can't be opened or made.
    case unopenable(file: String, reason: String)
    /// A row doesn't have the shape that this version knows. It is left as it is.
    case unreadable(table: String, id: String, reason: String)
    /// A change to something that isn't on record.
    case missing(table: String, id: String)

    public var description: String {
        switch self {
        case .newerSchema(let file):
            "\(file) was written by a newer version of cordond; start that version, or restore a copy from before it ran"
        case .setting(let file, let name, let wanted, let found):
            "\(file): SQLite's \(name) is \(found.map(String.init) ?? "unknown"), but must be \(wanted)"
        case .unopenable(let file, let reason): "\(file) can't be opened: \(reason)"
        case .unreadable(let table, let id, let reason): "the row \(id) of \(table) can't be read: \(reason)"
        case .missing(let table, let id): "there is no row \(id) in \(table)"
        }
    }
}
