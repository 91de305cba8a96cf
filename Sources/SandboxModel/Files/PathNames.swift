extension StringProtocol {
    /// What stands between the slashes of a path, as the kernel divides it: by bytes. To `split` a slash with a
    /// combining mark behind it is another character than a slash, and what it leaves whole may hold a `..`.
    public var pathNames: [String] { pathNames(omittingEmpty: true) }

    /// The same with what is empty: before a slash at the start, behind one at the end, between two.
    public var pathComponents: [String] { pathNames(omittingEmpty: false) }

    private func pathNames(omittingEmpty: Bool) -> [String] {
        utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: omittingEmpty)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether a path begins at the root.
    public var isAbsolutePath: Bool { utf8.first == UInt8(ascii: "/") }
}
