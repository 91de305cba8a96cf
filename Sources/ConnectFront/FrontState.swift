import FrontConnections
import Logging
import NIOCore
import SandboxModel
import Synchronization

/// What all connections of the proxy share.
final class FrontState: Sendable {
    let ports: any SandboxPorts
    let admission: Admission
    let options: ConnectFrontOptions
    let connections: Places
    let requests: Places
    let observer: (any ConnectObserver)?
    let logger: Logger
    private let perSandbox = Mutex<[SandboxID: Int]>([:])

    init(
        ports: any SandboxPorts, admission: Admission, options: ConnectFrontOptions, observer: (any ConnectObserver)?,
        logger: Logger
    ) {
        self.ports = ports
        self.admission = admission
        self.options = options
        self.observer = observer
        self.logger = logger
        connections = Places(options.maximumConnections)
        requests = Places(options.maximumRequests)
    }

    /// Takes a place for a request to a sandbox; false where it has too many.
    func takePlace(in id: SandboxID) -> Bool {
        perSandbox.withLock { counts in
            guard counts[id, default: 0] < options.maximumRequestsOfSandbox else { return false }
            counts[id, default: 0] += 1
            return true
        }
    }

    func giveBackPlace(in id: SandboxID) {
        perSandbox.withLock { counts in
            counts[id, default: 1] -= 1
            if counts[id] == 0 { counts[id] = nil }
        }
    }
}
