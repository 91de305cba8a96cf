import Foundation
import LayerKeeping
import Logging
import SandboxCatalog
import SandboxImages
import SandboxModel
import SandboxRuntime
import ServiceConfiguration
import ServiceLifecycle

extension ImageStore {
    /// The store of images as the configuration wants it.
    convenience init(
        _ configuration: ServiceConfiguration, _ checked: CheckedConfiguration, host: LocalHost, catalog: Catalog,
        pins: PinBoard, follower: any NetworkFollower, logger: Logger
    ) async throws {
        var registries = RegistryOptions()
        for (registry, mirror) in Self.pairs(configuration.registryMirrors) {
            registries.mirrors[registry, default: []].append(mirror)
        }
        for (registry, host) in Self.pairs(configuration.registryAliases) { registries.aliases[registry] = host }
        registries.plainHosts = Set(configuration.registryPlainHosts)
        registries.credentials = checked.registryCredentials
        registries.trust = checked.registryTrust
        var limits = ImageLimits()
        limits.bytes = UInt64(configuration.imageMaximumMiB) << 20
        limits.network = configuration.network ? .open : .blocked
        limits.entries = UInt64(configuration.imageMaximumEntries)
        limits.layers = configuration.snapshotMaximumLayers
        limits.reserveBytes = UInt64(configuration.diskReserveMiB) << 20
        try self.init(
            host: host, layers: host, records: catalog.images,
            directory: configuration.stateDirectory, node: try await catalog.records.node(), pins: pins,
            layersElsewhere: { try await catalog.volumes.layersOfVolumes() }, follower: follower,
            registries: registries, limits: limits, logger: logger)
    }

    /// The two sides of each `A=B`.
    private static func pairs(_ texts: [String]) -> [(String, String)] {
        texts.compactMap { text in
            let halves = text.split(separator: "=", maxSplits: 1)
            return halves.count == 2 ? (String(halves[0]), String(halves[1])) : nil
        }
    }
}

/// What nothing refers to is collected for as long as the service runs.
struct ImageCollection: Service {
    let images: ImageStore
    func run() async throws { await cancelWhenGracefulShutdown { await images.run() } }
}

extension CheckedConfiguration {
    /// The operator's credentials for registries, read while this process may.
    static func readRegistryCredentials(
        _ loaded: LoadedConfiguration, problems: inout [ConfigurationProblem]
    ) -> RegistryCredentials {
        guard let path = loaded.values.registryCredentials else { return .none }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            problems.append(loaded.problem(with: "registry_credentials", "names no file that can be read: \(path)"))
            return .none
        }
        do throws(RegistryCredentials.Malformed) {
            return try RegistryCredentials(dockerConfig: [UInt8](bytes))
        } catch {
            problems.append(loaded.problem(with: "registry_credentials", "names a file of another form: \(error)"))
            return .none
        }
    }

    /// The operator's certificate authorities for registries.
    static func readRegistryTrust(
        _ loaded: LoadedConfiguration, problems: inout [ConfigurationProblem]
    ) -> RegistryTrust {
        guard let path = loaded.values.registryCA else { return .system }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            problems.append(loaded.problem(with: "registry_ca", "names no file that can be read: \(path)"))
            return .system
        }
        do throws(RegistryTrust.Malformed) {
            return try RegistryTrust(pem: [UInt8](bytes))
        } catch {
            problems.append(loaded.problem(with: "registry_ca", "names a file of another form: \(error)"))
            return .system
        }
    }
}
