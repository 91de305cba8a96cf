import ShimProtocol

/// Where an archive's entry lies below the directory that it is unpacked in: bytes, without `.` and `..`.
struct EntryPath: Equatable {
    /// Of the directory that holds it, from the target; empty for the target itself.
    let parent: [UInt8]
    /// Empty for the target itself.
    let name: [UInt8]

    /// Throws for a way up. A leading slash counts for nothing.
    init(_ bytes: [UInt8]) throws(Fault) {
        var components: [ArraySlice<UInt8>] = []
        for component in bytes.split(separator: UInt8(ascii: "/")) where !component.elementsEqual(".".utf8) {
            guard !component.elementsEqual("..".utf8) else {
                throw Fault.invalidArchive("a name with \"..\" in it").about(bytes)
            }
            components.append(component)
        }
        name = Array(components.last ?? [])
        parent = Array(components.dropLast().joined(separator: [UInt8(ascii: "/")]))
    }

    init(parent: [UInt8], name: [UInt8]) {
        self.parent = parent
        self.name = name
    }

    var isTarget: Bool { name.isEmpty }
    var bytes: [UInt8] { parent.isEmpty ? name : parent + [UInt8(ascii: "/")] + name }
    /// For the kernel.
    var nameText: [CChar] { name.terminated }

    /// The entry that is this one's directory.
    var directory: EntryPath {
        guard let slash = parent.lastIndex(of: UInt8(ascii: "/")) else { return EntryPath(parent: [], name: parent) }
        return EntryPath(parent: Array(parent[..<slash]), name: Array(parent[(slash + 1)...]))
    }
}

extension [UInt8] {
    /// As a C string; a path from a directory when it is empty.
    package var terminated: [CChar] { (isEmpty ? [UInt8(ascii: ".")] : self).map { CChar(bitPattern: $0) } + [0] }
}
