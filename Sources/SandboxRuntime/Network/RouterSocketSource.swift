import LinuxSystem
import SandboxModel
import ShimProtocol

/// Asks the launcher for sockets of the router's, which come as descriptors. Blocks: for threads of one's own.
struct RouterSocketSource: Sendable {
    /// The launcher's.
    let path: String

    /// All that names need; whoever gets them closes them.
    func allForNames() throws -> RouterSockets {
        let resolverUDP = try open(.resolverUDP)
        let resolverTCP = try open(.resolverTCP)
        let proxy = try open(.proxy)
        var proxyV6: Descriptor?
        do {
            proxyV6 = try open(.proxyV6)
        } catch let error as CordonError where error.code == .failedPrecondition {
            // Sandboxes have no IPv6.
        }
        return RouterSockets(
            resolverUDP: resolverUDP.release(), resolverTCP: resolverTCP.release(), proxy: proxy.release(),
            proxyV6: proxyV6.take()?.release())
    }

    /// Throws `CordonError`: the launcher's refusal, or that it doesn't answer.
    func open(_ socket: RouterSocket) throws -> Descriptor {
        try LauncherDescriptors(path: path).open(OpenRouterSocket(socket: socket))
    }
}
