import Crypto
import LayerKeeping
import SandboxModel

/// Turns archives of layers into layers.
struct LayerUnpacker: Sendable {
    private static let pieceBytes = 256 * 1024

    let builders: Builders
    let records: any ImageRecords
    let limits: ImageLimits
    private let turns = Turns<LayerName>()

    init(builders: Builders, records: any ImageRecords, limits: ImageLimits) {
        (self.builders, self.records, self.limits) = (builders, records, limits)
    }

    /// What is known of a layer that is whole and there.
    func known(_ name: LayerName) async throws -> RecordedLayer? {
        guard let recorded = try await records.layer(name) else { return nil }
        return try await builders.layers.layers().contains(name) ? recorded : nil
    }

    /// Unpacks an archive on `root`, unless its layer is there by now; one at a time of each name.
    ///
    /// - Parameters:
    ///   - diffID: What the archive has to be without its compression.
    ///   - left: What the image may still take of bytes and entries.
    ///   - next: The archive's pieces.
    func unpack(
        _ name: LayerName, on root: RootImage, compression: ArchiveCompression, diffID: ContentDigest?,
        left: LayerBudget, next: () async throws -> [UInt8]?
    ) async throws -> RecordedLayer {
        try await turns.hold(name) {
            if let known = try await known(name) { return known }
            var unpacked: UnpackingSummary?
            var facts = try await builders.layer(name, on: root) { id in
                let session = try await builders.host.openFiles(in: id, as: nil)
                defer { session.close() }
                let summary = try await session.unpack(
                    Unpacking(
                        path: .root, kind: .layer, compression: compression, mostBytes: left.bytes,
                        mostEntries: left.entries), next: next)
                guard summary.digest.count == 32 else {
                    throw CordonError(.aborted, "the unpacked layer has no digest")
                }
                let digest = ContentDigest(bytes: summary.digest)
                unpacked = summary
                guard diffID == nil || diffID == digest else {
                    throw CordonError(
                        .dataLoss, "a layer is \(digest), the image's configuration says \(diffID?.description ?? "")",
                        detail: ["reason": "digest_mismatch"])
                }
            }
            // Devices were never unpacked: no layer that is looked through tells of them.
            facts.leftOut = Array(((unpacked?.leftOut ?? []) + facts.leftOut).prefix(ImageRecord.maximumLeftOut))
            facts.leftOutCount += unpacked?.leftOutCount ?? 0
            let layer = RecordedLayer(
                name: name, facts: facts, diffID: unpacked.map { ContentDigest(bytes: $0.digest) })
            try await records.save(layer)
            return layer
        }
    }
}

/// How much of something may still come.
struct LayerBudget: Sendable, Hashable {
    var bytes: UInt64
    var entries: UInt64

    init(_ limits: ImageLimits) { (bytes, entries) = (limits.bytes, limits.entries) }

    /// Throws `resourceExhausted` when a layer is more than what is left.
    mutating func take(_ facts: LayerFacts) throws(CordonError) {
        guard facts.bytes <= bytes, facts.entries <= entries else {
            throw CordonError(
                .resourceExhausted, "the image is too large", rule: "the options image_max_mib and image_max_entries")
        }
        bytes -= facts.bytes
        entries -= facts.entries
    }
}
