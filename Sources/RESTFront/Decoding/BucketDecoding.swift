import CordonAPI
import SandboxModel

extension BucketMount {
    /// The buckets in a request's field; none when it is absent or null.
    static func all<Key>(
        _ fields: FieldReader<Key>, _ key: Key, beside volumes: [VolumeMount]
    ) throws(CordonError) -> [BucketMount] {
        guard let value = fields.value(key) else { return [] }
        let path = fields.field(key)
        guard case .array(let values) = value else {
            throw .invalid(field: path, value: nil, rule: "an array of buckets, not \(value.kind)")
        }
        guard values.count <= maximumCount else {
            throw .invalid(field: path, value: "\(values.count) buckets", rule: "at most \(maximumCount)")
        }
        var mounts: [BucketMount] = []
        for (index, value) in values.enumerated() { mounts.append(try Self(json: value, path: "\(path)[\(index)]")) }
        try check(mounts, beside: volumes, field: path)
        return mounts
    }

    private init(json: JSONValue, path: String) throws(CordonError) {
        let fields = try FieldReader<CloudBucketRequest.CodingKeys>(json, path: path)
        guard let name = try fields.string(.bucket) else {
            throw .invalid(field: fields.field(.bucket), value: nil, rule: "a bucket's name")
        }
        guard let place = try fields.string(.path) else {
            throw .invalid(field: fields.field(.path), value: nil, rule: "where it is mounted: an absolute path")
        }
        self.init(
            bucket: try BucketName(name, field: fields.field(.bucket)),
            path: try FilePath(place, field: fields.field(.path)))
        if let text = try fields.string(.prefix) { prefix = try KeyPrefix(text, field: fields.field(.prefix)) }
        if let text = try fields.string(.endpointURL) {
            endpoint = try BucketEndpoint(text, field: fields.field(.endpointURL))
        }
        if let text = try fields.string(.region) { region = try BucketRegion(text, field: fields.field(.region)) }
        isReadOnly = try fields.bool(.readOnly) ?? false
        isPathStyle = try fields.bool(.forcePathStyle) ?? false
        isRequesterPaid = try fields.bool(.requesterPays) ?? false
        secrets = try SecretSource.all(fields, .secrets)
    }
}
