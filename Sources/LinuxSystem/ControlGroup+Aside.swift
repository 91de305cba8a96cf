extension ControlGroup {
    private static let asideMark = "-aside"

    /// The group beside it, of programs that serve its processes from outside: it ends with this one, but neither
    /// stands still nor counts with it.
    public var aside: ControlGroup { ControlGroup(layout: layout, path: path + Self.asideMark) }

    /// The name of the group that a group of this name is beside of; the name itself where it is beside none.
    public static func nameAside(of name: String) -> String {
        name.hasSuffix(asideMark) ? String(name.dropLast(asideMark.count)) : name
    }
}
