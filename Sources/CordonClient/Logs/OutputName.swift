/// One of an exec's streams, by its name in the API.
public enum OutputName: String, Sendable, Hashable, CaseIterable {
    case stdout
    case stderr
}
