import CordonAPI
import SandboxModel

extension VolumeMount {
    /// The volumes of a request's field; none when it is absent or null.
    static func all<Key>(_ fields: FieldReader<Key>, _ key: Key) throws(CordonError) -> [VolumeMount] {
        guard let value = fields.value(key) else { return [] }
        let path = fields.field(key)
        guard case .array(let values) = value else {
            throw .invalid(field: path, value: nil, rule: "an array of volumes, not \(value.kind)")
        }
        guard values.count <= maximumCount else {
            throw .invalid(field: path, value: "\(values.count) volumes", rule: "at most \(maximumCount)")
        }
        var mounts: [VolumeMount] = []
        for (index, value) in values.enumerated() { mounts.append(try Self(json: value, path: "\(path)[\(index)]")) }
        try check(mounts, field: path)
        return mounts
    }

    private init(json: JSONValue, path: String) throws(CordonError) {
        let fields = try FieldReader<VolumeMountRequest.CodingKeys>(json, path: path)
        guard let volume = try fields.string(.volume) else {
            throw .invalid(field: fields.field(.volume), value: nil, rule: "a volume's name or id")
        }
        guard let place = try fields.string(.path) else {
            throw .invalid(field: fields.field(.path), value: nil, rule: "where it is mounted: an absolute path")
        }
        self.init(
            volume: try VolumeReference(volume, field: fields.field(.volume)),
            path: try FilePath(place, field: fields.field(.path)), isReadOnly: try fields.bool(.readOnly) ?? false,
            subPath: try fields.string(.subPath).map { text throws(CordonError) in
                try VolumePath(text, field: fields.field(.subPath))
            })
    }
}

/// What the body of a creation asks for.
struct VolumeCreation {
    var name: VolumeName
    var ifExists: ExistingVolumePolicy

    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<CreateVolumeRequest.CodingKeys>(json)
        name = try VolumeName(try fields.string(.name) ?? "", field: fields.field(.name))
        ifExists = try fields.choice(.ifExists, of: ExistingVolumePolicy.self) ?? .fail
    }
}
