import CordonAPI
import SandboxModel

extension Image {
    init(_ image: ImageRecord) {
        self.init(
            id: image.id.text, kind: image.kind.rawValue, names: image.names,
            base: image.root.base == .host ? "host" : nil, layers: image.root.layers.map(\.text),
            config: ImageSettings(image.config), manifestDigest: image.manifest?.description,
            parent: image.parent?.text, sandboxID: image.sandbox?.text, sizeBytes: image.bytes,
            entries: image.entries, leftOut: image.leftOut, leftOutCount: image.leftOutCount,
            createdAt: APITime(image.createdAt), expiresAt: image.expiresAt.map { APITime($0) },
            hostChanged: image.hostHasChanged)
    }
}

extension ImageSettings {
    fileprivate init(_ config: ImageConfig) {
        self.init(
            env: config.environment.variables, workdir: config.workdir, user: config.user,
            entrypoint: config.entrypoint, cmd: config.command, exposedPorts: config.exposedPorts,
            labels: config.labels, shell: config.shell)
    }
}

extension ImageProgress {
    init(_ event: ImageEvent) {
        switch event {
        case .resolved(let manifest, let layers, let bytes):
            self.init(event: "resolved")
            digest = manifest.description
            self.layers = layers
            totalBytes = bytes
        case .layer(let layer):
            self.init(event: "layer")
            digest = layer.digest.description
            state = layer.state.rawValue
            bytes = layer.bytes
            totalBytes = layer.total
        case .step(let number, let all, let text, let isCached):
            self.init(event: "step")
            (step, steps, self.text, cached) = (number, all, text, isCached)
        case .log(let bytes):
            self.init(event: "log")
            if let valid = String(validating: bytes, as: UTF8.self) {
                text = valid
            } else {
                textBase64 = String(decoding: Base64.encode(bytes), as: UTF8.self)
            }
        }
    }
}
