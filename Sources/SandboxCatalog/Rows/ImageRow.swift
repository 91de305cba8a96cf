import Foundation
import SandboxModel

/// An image as JSON on disk, under the same promise as `SandboxSpecRow`. Its layers, names and times have columns.
struct ImageRow: Codable {
    static let currentVersion = 1

    var version: Int
    var kind: String
    var base: UInt8
    var config: ConfigRow
    var manifest: String?
    var parent: String?
    var sandbox: String?
    var bytes: UInt64
    var entries: UInt64
    var leftOut: [String]
    var leftOutCount: UInt64
    /// Absent where it doesn't lie on the host's `/usr`, and in rows of before it was known.
    var hostPrint: String?

    enum CodingKeys: String, CodingKey {
        case version, kind, base, config, manifest, parent, sandbox, bytes, entries
        case leftOut = "left_out"
        case leftOutCount = "left_out_count"
        case hostPrint = "host_print"
    }

    init(_ image: ImageRecord) {
        version = Self.currentVersion
        kind = image.kind.rawValue
        base = image.root.base.rawValue
        config = ConfigRow(image.config)
        manifest = image.manifest?.description
        parent = image.parent?.text
        sandbox = image.sandbox?.text
        bytes = image.bytes
        entries = image.entries
        leftOut = image.leftOut
        leftOutCount = image.leftOutCount
        hostPrint = image.hostPrint
    }

    /// The image; throws when a value breaks a rule of the model, or a newer version wrote the row.
    func image(
        id: ImageID, layers: [LayerName], names: [String], createdAt: Timestamp, expiresAt: Timestamp?
    ) throws -> ImageRecord {
        guard version <= Self.currentVersion else { throw RowShape.newerVersion(version) }
        guard let base = RootImage.Base(rawValue: base) else {
            throw RowShape.unknownValue("\(base)", type: "RootImage.Base")
        }
        return ImageRecord(
            id: id, kind: try RowShape.value(kind, of: ImageKind.self),
            root: try RootImage(base: base, layers: layers), config: try config.config(), names: names,
            manifest: try manifest.map { try RowShape.id($0) { ContentDigest($0) } },
            parent: try parent.map { try RowShape.id($0) { ImageID($0) } },
            sandbox: try sandbox.map { try RowShape.id($0) { SandboxID($0) } }, createdAt: createdAt,
            expiresAt: expiresAt, bytes: bytes, entries: entries, leftOut: leftOut, leftOutCount: leftOutCount,
            hostPrint: hostPrint)
    }

    /// Its place among the others, without its layers.
    func lineage(id: ImageID, names: [String], layerCount: Int, createdAt: Timestamp) throws -> ImageLineage {
        guard version <= Self.currentVersion else { throw RowShape.newerVersion(version) }
        return ImageLineage(
            id: id, kind: try RowShape.value(kind, of: ImageKind.self), names: names,
            parent: try parent.map { try RowShape.id($0) { ImageID($0) } },
            sandbox: try sandbox.map { try RowShape.id($0) { SandboxID($0) } }, createdAt: createdAt, bytes: bytes,
            layerCount: layerCount, hostPrint: hostPrint)
    }

    struct ConfigRow: Codable {
        var environment: [String: String]
        var workdir: String?
        var user: String?
        var entrypoint: [String]
        var command: [String]
        var exposedPorts: [String]
        var labels: [String: String]
        var shell: [String]

        enum CodingKeys: String, CodingKey {
            case workdir, user, entrypoint, command, labels, shell
            case environment = "env"
            case exposedPorts = "exposed_ports"
        }

        init(_ config: ImageConfig) {
            environment = config.environment.variables
            workdir = config.workdir
            user = config.user
            entrypoint = config.entrypoint
            command = config.command
            exposedPorts = config.exposedPorts
            labels = config.labels
            shell = config.shell
        }

        func config() throws -> ImageConfig {
            var config = ImageConfig()
            config.environment = try Environment(environment)
            config.workdir = workdir
            config.user = user
            config.entrypoint = entrypoint
            config.command = command
            config.exposedPorts = exposedPorts
            config.labels = labels
            config.shell = shell
            return config
        }
    }
}

/// What is known of a layer, as JSON on disk.
struct LayerRow: Codable {
    var bytes: UInt64
    var entries: UInt64
    var leftOut: [String]
    var leftOutCount: UInt64
    var diffID: String?
    var hostPrint: String?

    enum CodingKeys: String, CodingKey {
        case bytes, entries
        case leftOut = "left_out"
        case leftOutCount = "left_out_count"
        case diffID = "diff_id"
        case hostPrint = "host_print"
    }

    init(_ layer: RecordedLayer) {
        bytes = layer.facts.bytes
        entries = layer.facts.entries
        leftOut = layer.facts.leftOut
        leftOutCount = layer.facts.leftOutCount
        diffID = layer.diffID?.description
        hostPrint = layer.facts.hostPrint
    }

    func layer(_ name: LayerName) throws -> RecordedLayer {
        RecordedLayer(
            name: name,
            facts: LayerFacts(
                bytes: bytes, entries: entries, leftOut: leftOut, leftOutCount: leftOutCount, hostPrint: hostPrint),
            diffID: try diffID.map { try RowShape.id($0) { ContentDigest($0) } })
    }
}
