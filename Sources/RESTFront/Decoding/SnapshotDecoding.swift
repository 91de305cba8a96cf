import CordonAPI
import SandboxModel

/// What a snapshot is of.
private enum SnapshotKind: String, CaseIterable {
    case filesystem, directory
}

extension SnapshotOrder {
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<CreateSnapshotRequest.CodingKeys>(json)
        self.init()
        let kind: SnapshotKind = try fields.choice(.kind, of: SnapshotKind.self) ?? .filesystem
        let path = try fields.string(.path)
        switch (kind, path) {
        case (.filesystem, nil): break
        case (.directory, let path?): self.path = try FilePath(path, field: fields.field(.path))
        case (.filesystem, let path?):
            throw .invalid(field: fields.field(.path), value: path, rule: "only with kind \"directory\"")
        case (.directory, nil):
            throw .invalid(field: fields.field(.path), value: nil, rule: "the directory's absolute path")
        }
        timeToLive = try fields.duration(.ttlSeconds, upTo: Self.maximumTimeToLive)
        key = try fields.string(.snapshotID)
        if let key {
            guard Self.keyBytes.contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
                throw .invalid(
                    field: fields.field(.snapshotID), value: nil, rule: "1 to 128 printable ASCII characters, no space")
            }
        }
        if let name = try fields.string(.name) { names = [try ImageReference(name, field: fields.field(.name))] }
    }
}

extension MountOrder {
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<CreateMountRequest.CodingKeys>(json)
        guard let path = try fields.string(.path) else {
            throw .invalid(field: fields.field(.path), value: nil, rule: "a directory's absolute path")
        }
        self.init(path: try FilePath(path, field: fields.field(.path)))
        if let name = try fields.string(.image) { image = try ImageName(name, field: fields.field(.image)) }
        isReadOnly = try fields.bool(.readOnly) ?? false
    }
}
