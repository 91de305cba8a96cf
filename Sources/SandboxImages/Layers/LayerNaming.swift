import Crypto
import SandboxModel

/// How layers are named by what they hold.
enum LayerNaming {
    /// The layer that a blob becomes on a chain of layers. The blob's digest, which this process has verified, stands
    /// in it, and not that of the unpacked archive, which is the word of whoever unpacked it: nobody can give
    /// another image's layer a content of his own.
    static func unpacked(_ blob: ContentDigest, on below: LayerName?) -> LayerName {
        name("c", ["unpacked", below?.text ?? "", blob.description])
    }

    /// The layer that a step of a build makes of what is below it.
    static func step(_ parts: [String], on root: RootImage) -> LayerName {
        name("b", ["step", "\(root.base.rawValue)"] + root.layers.map(\.text) + [""] + parts)
    }

    /// The layer that a snapshot makes: with a client's own id always the same, without one never.
    static func snapshot(of sandbox: SandboxID, _ order: SnapshotOrder) -> LayerName {
        let key = order.key ?? ImageID.mint().text
        return name("s", ["snapshot", sandbox.text, order.path?.text ?? "", key])
    }

    /// Each part with its length, so that no two lists run together.
    private static func name(_ kind: String, _ parts: [String]) -> LayerName {
        let text = kind + hash(parts).hex
        guard let name = LayerName(text) else { preconditionFailure("\(text) is no layer's name") }
        return name
    }

    static func hash(_ parts: [String]) -> ContentDigest {
        var hash = SHA256()
        for part in parts { hash.update(data: Array("\(part.utf8.count):\(part)".utf8)) }
        return ContentDigest(bytes: hash.finalize())
    }
}

extension ImageID {
    /// The image that a client's own id of a snapshot stands for.
    init(snapshot key: String) { self.init(hex: LayerNaming.hash(["snapshot", key]).hex) }

    private init(hex: String) {
        let hex = Array(hex)
        let bytes = stride(from: 0, to: hex.count, by: 2).map { UInt8(String(hex[$0...$0 + 1]), radix: 16) ?? 0 }
        self.init(digest: bytes)
    }

    /// The image that a root with a configuration is.
    init(root: RootImage, config: ImageConfig) {
        let environment = config.environment.variables.sorted { $0.key < $1.key }
        let labels = config.labels.sorted { $0.key < $1.key }
        let parts =
            ["\(root.base.rawValue)"] + root.layers.map(\.text) + ["env"] + environment.flatMap { [$0.key, $0.value] }
            + ["labels"] + labels.flatMap { [$0.key, $0.value] } + ["workdir", config.workdir ?? ""]
            + ["user", config.user ?? "", "entrypoint"] + config.entrypoint + ["command"] + config.command
            + ["exposed"] + config.exposedPorts + ["shell"] + config.shell
        self.init(hex: LayerNaming.hash(parts).hex)
    }
}
