import CLinux
import Glibc
import LinuxSystem

/// One direction of a relay: what comes from `source` goes to `sink`, and so does its end.
struct RelayDirection {
    /// How a move left it.
    enum Outcome {
        /// It waits for one of its sockets.
        case waiting
        /// There is more to do, but others must have their turn.
        case busy
        /// One of its sockets failed: the other must hear of it.
        case failed
    }

    /// What one move takes at most, so that others have their turn.
    private static let mostAtOnce = 4 << 20

    let source: Int32
    let sink: Int32
    private var carrier: (any RelayCarrier)?
    private var sourceHasEnded = false
    /// Whether everything was passed on, the end too.
    private(set) var isDone = false
    private(set) var bytes: UInt64 = 0

    init(from source: Int32, to sink: Int32) {
        self.source = source
        self.sink = sink
    }

    /// Whether it goes on when the source has bytes.
    var wantsToRead: Bool { !sourceHasEnded && carrier == nil }
    /// Whether it goes on when the sink has room.
    var wantsToWrite: Bool { carrier != nil }

    /// Moves what can be moved now.
    mutating func move(_ stock: inout CarrierStock) -> Outcome {
        guard !isDone else { return .waiting }
        var moved = 0
        while moved < Self.mostAtOnce {
            if carrier == nil, !sourceHasEnded {
                switch fill(&stock) {
                case .some(let outcome): return outcome
                case nil: break
                }
            }
            if let carrier {
                let before = carrier.fill
                guard drain(carrier) else { return .failed }
                moved += before - carrier.fill
                guard carrier.fill == 0 else { return .waiting }
                letGo(&stock)
            }
            if sourceHasEnded {
                isDone = true
                _ = cordon_shut_sending(sink)
                return .waiting
            }
        }
        return .busy
    }

    /// Takes bytes from the source; nil when there are some now, or it has ended.
    private mutating func fill(_ stock: inout CarrierStock) -> Outcome? {
        let carrier: any RelayCarrier
        do { carrier = try stock.take() } catch { return .failed }
        let count = carrier.take(from: source)
        if count > 0 {
            self.carrier = carrier
            return nil
        }
        let error = errno
        stock.giveBack(carrier)
        if count == 0 {
            sourceHasEnded = true
            return nil
        }
        return error == EAGAIN ? .waiting : .failed
    }

    /// Gives the sink what it takes; false when it takes nothing any more.
    private mutating func drain(_ carrier: any RelayCarrier) -> Bool {
        while carrier.fill > 0 {
            let count = carrier.give(to: sink)
            guard count > 0 else { return count < 0 && errno == EAGAIN }
            bytes += UInt64(count)
        }
        return true
    }

    /// Gives its carrier back: it is empty, or what is in it can't be passed on any more.
    mutating func letGo(_ stock: inout CarrierStock) {
        if let carrier { stock.giveBack(carrier) }
        carrier = nil
    }
}
