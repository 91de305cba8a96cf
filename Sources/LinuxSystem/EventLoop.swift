import CLinux
import Glibc

/// A single thread's readiness loop (epoll(7)) with one timer (timerfd on `CLOCK_BOOTTIME`).
///
/// Handlers run on the thread that runs the loop, one at a time, and may watch and unwatch as they go.
public final class EventLoop {
    /// What a descriptor is ready for.
    public struct Readiness: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let readable = Readiness(rawValue: cordon_epoll_in)
        public static let writable = Readiness(rawValue: cordon_epoll_out)
        /// The other end is gone; reported whether asked for or not.
        public static let hangup = Readiness(rawValue: cordon_epoll_hup | cordon_epoll_err)
        /// Something went wrong with it; reported whether asked for or not.
        public static let error = Readiness(rawValue: cordon_epoll_err)
    }

    private struct Watch {
        /// The descriptor's number and, above it, which watch of that number this is.
        var tag: UInt64
        var interest: Readiness
        var handler: (Readiness) -> Void
    }

    /// The furthest that a delay reaches: what is asked beyond it comes no earlier.
    private static let furthest = Duration.seconds(100 * 365 * 86_400)

    private let epoll: Descriptor
    private let timer: Descriptor
    private var watches: [Int32: Watch] = [:]
    private var deadlines = DeadlineQueue()
    private var generation: UInt64 = 0
    private var armedFor: UInt64 = 0
    private var soon: [() -> Void] = []
    private var running = true
    private var events = [epoll_event](repeating: epoll_event(), count: 128)

    public init() throws(SystemCallError) {
        epoll = Descriptor(owning: try check(cordon_epoll_create(), "epoll_create1"))
        timer = Descriptor(owning: try check(cordon_boottime_timer(), "timerfd_create"))
        try check(cordon_epoll_set(epoll.raw, EPOLL_CTL_ADD, timer.raw, cordon_epoll_in, 0), "epoll_ctl")
    }

    /// Calls `handler` whenever the descriptor is ready for what `interest` names, or hung up.
    /// The caller keeps the descriptor open until it has called `unwatch`.
    public func watch(
        _ descriptor: Int32, for interest: Readiness, handler: @escaping (Readiness) -> Void
    ) throws(SystemCallError) {
        let operation = watches[descriptor] == nil ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
        generation += 1
        let tag = generation << 32 | UInt64(UInt32(bitPattern: descriptor))
        try check(cordon_epoll_set(epoll.raw, operation, descriptor, interest.rawValue, tag), "epoll_ctl")
        watches[descriptor] = Watch(tag: tag, interest: interest, handler: handler)
    }

    /// Changes what a watched descriptor waits for; nothing at all keeps only hang-ups.
    public func change(_ descriptor: Int32, to interest: Readiness) {
        guard let watch = watches[descriptor], watch.interest != interest else { return }
        watches[descriptor]?.interest = interest
        _ = cordon_epoll_set(epoll.raw, EPOLL_CTL_MOD, descriptor, interest.rawValue, watch.tag)
    }

    public func unwatch(_ descriptor: Int32) {
        guard watches.removeValue(forKey: descriptor) != nil else { return }
        _ = cordon_epoll_set(epoll.raw, EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    /// Runs `action` at `nanoseconds` on `CLOCK_BOOTTIME`, at once when that has passed; the result cancels it.
    @discardableResult
    public func schedule(at nanoseconds: UInt64, _ action: @escaping () -> Void) -> Int {
        let number = deadlines.add(at: max(nanoseconds, 1), action)
        rearm()
        return number
    }

    /// Runs `action` after a delay.
    @discardableResult
    public func schedule(after delay: Duration, _ action: @escaping () -> Void) -> Int {
        let delay = min(max(delay, .zero), Self.furthest).components
        let nanoseconds = delay.seconds * 1_000_000_000 + delay.attoseconds / 1_000_000_000
        return schedule(at: cordon_boottime_ns() + UInt64(nanoseconds), action)
    }

    public func cancel(_ number: Int?) {
        guard let number, deadlines.cancel(number) else { return }
        rearm()
    }

    /// Runs `action` after the handlers of this turn.
    public func afterTurn(_ action: @escaping () -> Void) { soon.append(action) }

    public func stop() { running = false }

    private func rearm() {
        let next = deadlines.next ?? 0
        if next != armedFor {
            armedFor = next
            _ = cordon_timer_at(timer.raw, next)
        }
    }

    private func fireDeadlines() {
        // Those that an action adds wait for the next turn, however early they are.
        let due = deadlines.due(by: cordon_boottime_ns())
        for number in due { deadlines.take(number)?() }
        armedFor = 0
        rearm()
    }

    /// Runs until `stop`.
    public func run() throws(SystemCallError) {
        while running { try turn() }
    }

    /// Waits for something to happen, and handles it.
    public func turn() throws(SystemCallError) {
        let count = epoll_wait(epoll.raw, &events, Int32(events.count), soon.isEmpty ? -1 : 0)
        if count < 0 && errno == EINTR { return }
        try check(count, "epoll_wait")
        for event in events[..<Int(count)] {
            if event.data.u64 == 0 {
                var expirations: UInt64 = 0
                _ = Glibc.read(timer.raw, &expirations, 8)
                fireDeadlines()
            } else if let watch = watches[Int32(truncatingIfNeeded: event.data.u64)], watch.tag == event.data.u64 {
                watch.handler(Readiness(rawValue: event.events))
            }
            if !running { return }
        }
        let actions = soon
        soon.removeAll()
        for action in actions { action() }
    }
}
