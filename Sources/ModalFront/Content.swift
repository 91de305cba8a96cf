import Foundation
public import Logging
public import SandboxModel

/// What clients' images, files, secrets and environments are made of and kept in.
public struct ModalContent: Sendable {
    let planner: BuildPlanner
    let images: ImageCalls
    let mounts: MountCalls
    let blobs: BlobCalls
    let secrets: SecretCalls
    let volumes: VolumeCalls
    let environments: EnvironmentRecords

    /// - Parameters:
    ///   - directory: The front's own; made where there is none.
    ///   - pythonDirectory: Where the operator keeps archives of python-build-standalone.
    ///   - uvImage: The image from which `uv` is copied; nil for where clients say.
    ///   - hash: A keyed hash that outlives the process.
    ///   - contentAddress: The address of the REST port, without a slash at its end: signed addresses are below it.
    public init(
        images: any ImageService, secrets: any SecretService, volumes: any VolumeService,
        uploads: any UploadService,
        directory: String, pythonDirectory: String?, uvImage: ImageReference?,
        hash: @escaping @Sendable ([UInt8]) -> [UInt8],
        contentAddress: @escaping @Sendable () throws -> String, logger: Logger
    ) throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        planner = BuildPlanner(
            images: images, secrets: secrets, uploads: uploads, pythons: StandalonePythons(directory: pythonDirectory),
            uvImage: uvImage, hash: hash)
        self.images = ImageCalls(
            builds: try ImageBuilds(planner: planner, images: images, directory: directory + "/builds", logger: logger),
            planner: planner)
        environments = try EnvironmentRecords(path: directory + "/environments.json")
        mounts = MountCalls(uploads: uploads, pythons: planner.pythons)
        blobs = BlobCalls(uploads: uploads, address: contentAddress)
        self.secrets = SecretCalls(
            secrets: secrets, environments: environments, anonymous: AnonymousSecrets(secrets: secrets, hash: hash))
        self.volumes = VolumeCalls(
            volumes: volumes, uploads: uploads, environments: environments, passing: PassingVolumes(volumes: volumes),
            families: try VolumeFamilies(path: directory + "/volumes.json"), address: contentAddress)
    }
}
