import SandboxModel

/// The types of the documents and layers that are taken, by OCI's and Docker's names for them.
package enum MediaType {
    /// The largest manifest, and the largest configuration.
    package static let manifestBytes = 4 << 20
    package static let configBytes = 8 << 20

    package static let index = [
        "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
    ]
    package static let manifest = [
        "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
    ]
    /// What a request for a manifest accepts.
    package static let manifests = (manifest + index).joined(separator: ", ")

    /// How a layer of that type is compressed; nil for types that aren't taken.
    package static func compression(ofLayer type: String) -> ArchiveCompression? {
        switch type {
        case "application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar":
            ArchiveCompression.none
        case "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip": .gzip
        case "application/vnd.oci.image.layer.v1.tar+zstd": .zstd
        default: nil
        }
    }
}
