import Logging
import SandboxEngine
import SandboxImages
import SandboxModel
import SandboxNetwork
import SandboxRuntime
import ServiceConfiguration
import ServiceLifecycle
import Synchronization

/// The name service, on sockets that the launcher hands over, whichever launcher that is.
struct NetworkNames: Service {
    let service: NameService
    private let host: LocalHost
    private let policies: PolicySource
    private let logger: Logger

    private static let pause = Duration.seconds(1)

    init(_ configuration: ServiceConfiguration, descriptors: Int, host: LocalHost, logger: Logger) {
        let policies = PolicySource()
        service = NameService(
            host: host, policy: { policies.policy(of: $0) }, resolvers: configuration.resolvers,
            openedRanges: configuration.networkPrivateRanges.compactMap { AddressRange($0) }, descriptors: descriptors)
        (self.host, self.policies, self.logger) = (host, policies, logger)
    }

    /// Hears of sandboxes from this engine, and of those in which images are made.
    func follow(_ engine: Engine, _ images: ImageStore) { policies.follow(engine, images) }

    func run() async {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await service.run() }
                for await _ in host.launcherArrivals { await serve() }
                group.cancelAll()
            }
        }
    }

    /// Serves on sockets of the router as it is now. Tries until there are some, or never will be.
    func serve(attempts: Int = .max) async {
        for _ in 0..<attempts {
            guard !Task.isCancelled else { return }
            do {
                return try await service.serve(try await host.routerSockets())
            } catch let error as CordonError where error.code == .failedPrecondition {
                return logger.warning("names are not served: \(error.message)")
            } catch { logger.warning("names are not served yet: \(error)") }
            do { try await Task.sleep(for: Self.pause) } catch { return }
        }
    }
}

/// Policies of an engine and a store of images that are made later.
private final class PolicySource: Sendable {
    private let sources = Mutex<(engine: Engine, images: ImageStore)?>(nil)

    func follow(_ engine: Engine, _ images: ImageStore) { sources.withLock { $0 = (engine, images) } }

    func policy(of id: SandboxID) -> NetworkPolicy? {
        guard let (engine, images) = sources.withLock({ $0 }) else { return nil }
        return engine.networkPolicy(of: id) ?? images.networkPolicy(of: id)
    }
}
