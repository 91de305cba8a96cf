import SandboxModel

/// A volume of a sandbox's spec, as JSON on disk.
struct VolumeMountRow: Codable {
    var volume: String
    var path: String
    var readOnly: Bool?
    var subPath: String?

    enum CodingKeys: String, CodingKey {
        case volume, path
        case readOnly = "read_only"
        case subPath = "sub_path"
    }

    init(_ mount: VolumeMount) {
        volume = mount.volume.description
        path = mount.path.text
        readOnly = mount.isReadOnly ? true : nil
        subPath = mount.subPath?.text
    }

    func mount() throws -> VolumeMount {
        VolumeMount(
            volume: try VolumeReference(volume, field: "volume"), path: try FilePath(path),
            isReadOnly: readOnly ?? false, subPath: try subPath.map { try VolumePath($0) })
    }
}
