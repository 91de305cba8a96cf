import SandboxModel
import ShimProtocol

extension Launcher {
    static func send(_ result: Result<some Message, Failure>, to channel: FrameChannel?, _ request: UInt64) {
        switch result {
        case .success(let message): channel?.send(message, request: request)
        case .failure(let failure): channel?.send(failure, request: request)
        }
    }

    func answer(_ request: UInt64, on channel: FrameChannel, _ work: () throws -> some Message) throws {
        do {
            channel.send(try work(), request: request)
        } catch let failure as Failure {
            channel.send(failure, request: request)
        }
    }

    /// Tells what lives, once no sandbox is between being nobody's and being somebody's.
    func answerInventory() {
        guard !sandboxes.values.contains(where: \.isAssigning) else { return }
        let waiters = inventoryWaiters
        inventoryWaiters = []
        for waiter in waiters { waiter() }
    }

    /// Tells every service that has said `Hello`.
    func report(_ message: some Message) {
        for number in greeted { connections[number]?.send(message, request: 0) }
    }
}
