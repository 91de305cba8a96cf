import NIOCore
import Synchronization

/// Asks the servers one after the other, over UDP first, and over TCP what doesn't fit or is doubtful.
package final class UpstreamClient: Upstream {
    package struct Limits: Sendable {
        /// How long one server is waited for.
        package var attempt = Duration.milliseconds(1500)
        /// How long all is waited for: less than a client's own 5 s.
        package var whole = Duration.milliseconds(4500)
        package init() {}
    }

    private let servers: UpstreamServers
    private let group: any EventLoopGroup
    private let limits: Limits
    /// Servers that didn't answer are asked last for a while.
    private let lapses = Mutex<[UpstreamServer: ContinuousClock.Instant]>([:])

    private static let lapseMemory = Duration.seconds(30)

    package init(_ servers: UpstreamServers, on group: any EventLoopGroup, limits: Limits = Limits()) {
        self.servers = servers
        self.group = group
        self.limits = limits
    }

    package func ask(_ ask: UpstreamAsk) async throws(UpstreamFault) -> DNSMessage {
        let deadline = ContinuousClock.now + limits.whole
        let servers = inOrder()
        guard !servers.isEmpty else { throw .noServer }
        var fault = UpstreamFault.silent
        for _ in 0..<2 {
            for server in servers {
                guard ContinuousClock.now < deadline, !Task.isCancelled else { throw fault }
                switch await self.ask(ask, of: server, until: deadline) {
                case .answer(let answer) where answer.code == .noError || answer.code == .noSuchName:
                    lapses.withLock { _ = $0.removeValue(forKey: server) }
                    return answer
                case .answer(let answer): fault = .failed(answer.code)
                case .doubtful: break
                case .silent: lapses.withLock { $0[server] = .now }
                }
            }
        }
        throw fault
    }

    private func inOrder() -> [UpstreamServer] {
        let servers = servers.current
        return lapses.withLock { lapses in
            lapses = lapses.filter { servers.contains($0.key) && ContinuousClock.now - $0.value < Self.lapseMemory }
            return servers.filter { lapses[$0] == nil } + servers.filter { lapses[$0] != nil }
        }
    }

    private func ask(
        _ ask: UpstreamAsk, of server: UpstreamServer, until deadline: ContinuousClock.Instant
    ) async -> ExchangeOutcome {
        var outcome = await exchange(UpstreamQuery(ask, options: true), with: server, until: deadline)
        // RFC 6891, 7: a server that doesn't know EDNS.
        if case .answer(let answer) = outcome, [.formError, .notImplemented].contains(answer.code) {
            outcome = await exchange(UpstreamQuery(ask, options: false), with: server, until: deadline)
        }
        return outcome
    }

    private func exchange(
        _ query: UpstreamQuery, with server: UpstreamServer, until deadline: ContinuousClock.Instant
    ) async -> ExchangeOutcome {
        let loop = group.any()
        let outcome = await UpstreamExchange.overUDP(query, with: server, within: remaining(deadline), on: loop)
        switch outcome {
        case .silent: return .silent
        case .answer(let answer) where !answer.isTruncated: return outcome
        case .answer, .doubtful:
            return await UpstreamExchange.overTCP(query, with: server, within: remaining(deadline), on: loop)
        }
    }

    private func remaining(_ deadline: ContinuousClock.Instant) -> TimeAmount {
        TimeAmount(max(.milliseconds(1), min(limits.attempt, deadline - .now)))
    }
}
