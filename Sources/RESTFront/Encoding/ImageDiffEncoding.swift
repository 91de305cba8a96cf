import CordonAPI
import SandboxModel

extension ImageDiff {
    init(_ diff: TreeDiff) {
        self.init(
            changes: diff.changes.map { ImageChange($0) },
            nextCursor: diff.next.map { String(decoding: Base64.encode($0), as: UTF8.self) })
    }
}

extension ImageChange {
    init(_ change: TreeChange) {
        self.init(path: "/" + String(decoding: change.path, as: UTF8.self), kind: change.kind.rawValue)
        if String(validating: change.path, as: UTF8.self) == nil {
            pathBase64 = String(decoding: Base64.encode([UInt8(ascii: "/")] + change.path), as: UTF8.self)
        }
        before = change.before.map { ImageChangeSide($0) }
        after = change.after.map { ImageChangeSide($0) }
        switch change.text {
        case .unified(let text): unified = text
        case .binary: unifiedOmitted = "binary"
        case .tooLarge: unifiedOmitted = "too_large"
        case nil: break
        }
    }
}

extension ImageChangeSide {
    fileprivate init(_ attributes: FileAttributes) {
        self.init(
            type: attributes.kind.rawValue, sizeBytes: attributes.size, mode: FileModeText.text(attributes.mode),
            user: attributes.user, group: attributes.group)
    }
}

extension ImageTreeNode {
    init(_ image: ImageLineage) {
        self.init(
            depth: image.depth, id: image.id.text, kind: image.kind.rawValue, names: image.names,
            parent: image.parent?.text, sandboxID: image.sandbox?.text, createdAt: APITime(image.createdAt),
            sizeBytes: image.bytes, layerCount: image.layerCount, hostChanged: image.hostHasChanged)
    }
}
