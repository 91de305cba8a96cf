import Synchronization

/// Counts and keeps what a script saw.
final class Journal: Sendable {
    private let requests = Mutex<[SeenRequest]>([])

    func note(_ request: SeenRequest) -> Int {
        requests.withLock {
            $0.append(request)
            return $0.count
        }
    }

    var all: [SeenRequest] { requests.withLock { $0 } }
}
