import Glibc
import NIOCore
import SandboxModel
import Synchronization

/// Connections that are being passed on.
final class ProxyConnections: Sendable {
    private struct Entry {
        let caller: ProxyCaller
        /// nil for one that needs no name.
        var name: String?
        let channel: any Channel
    }

    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])

    /// Notes a connection, or the name of its latest request, until it is closed.
    func note(_ channel: any Channel, _ caller: ProxyCaller, name: String?) {
        let key = ObjectIdentifier(channel)
        let isNew = entries.withLock { entries in
            entries.updateValue(Entry(caller: caller, name: name, channel: channel), forKey: key) == nil
        }
        guard isNew else { return }
        channel.closeFuture.whenComplete { [weak self] _ in self?.entries.withLock { _ = $0.removeValue(forKey: key) } }
    }

    var count: Int { entries.withLock { $0.count } }

    /// Where connections of a sandbox are open to.
    func addresses() -> Set<ProxyCaller> { entries.withLock { Set($0.values.map(\.caller)) } }

    /// Closes those of a sandbox that `stays` doesn't keep, with a reset: that alone still reaches a sandbox
    /// whose policy closes the address that it believes to talk to.
    func close(of id: SandboxID, unless stays: (ProxyCaller, String?) async -> Bool) async {
        let own = entries.withLock { $0.values.filter { $0.caller.sandbox == id } }
        for entry in own where await !stays(entry.caller, entry.name) {
            let options = entry.channel as? any SocketOptionProvider
            options?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in entry.channel.close(promise: nil)
            }
        }
    }
}
