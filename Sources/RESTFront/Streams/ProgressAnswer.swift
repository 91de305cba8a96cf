import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// One line of what a long request tells as it goes on.
protocol ProgressEvent: Encodable, Sendable {
    var event: String { get }
    /// Why there is no result, in the last line.
    var problem: Problem? { get set }
    /// Whether a client that is behind can do without it.
    var mayBeLeftOut: Bool { get }

    init(event: String)
}

/// Long work as one request follows it: told line by line where that is asked for, else answered at its end.
struct ProgressAnswer<Event: ProgressEvent>: Sendable {
    /// Does the work and returns its last line.
    typealias Work = @Sendable (_ report: @escaping @Sendable (Event) async -> Void) async throws -> Event

    /// Events that wait for a slow client at most.
    private static var backlog: Int { 256 }

    let exchange: Exchange

    /// - Parameter whole: The answer to who wants no lines, from the last of them.
    func answer(_ work: @escaping Work, whole: (Event) throws -> Response) async throws -> Response {
        guard exchange.front.waits.take() else {
            throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
        }
        exchange.scope.atEnd { [front = exchange.front] in front.waits.giveBack() }
        let wanted = (exchange.request.headers[.accept] ?? "").lowercased()
        if wanted.contains("text/event-stream") { return stream(.serverSent, work) }
        if wanted.contains("application/x-ndjson") { return stream(.lines, work) }
        return try whole(try await exchange.connection.whilePresent { try await work { _ in } })
    }

    private func stream(_ form: RunEventForm, _ work: @escaping Work) -> Response {
        Response(
            status: .ok, headers: [.contentType: form.contentType],
            body: ResponseBody { [self] writer in
                let (events, feed) = AsyncStream.makeStream(
                    of: Event.self, bufferingPolicy: .bufferingOldest(Self.backlog))
                let task = start(work, feed)
                let heart = beat(feed)
                do {
                    for await event in events { try await write(event, form, to: &writer) }
                } catch {
                    heart.cancel()
                    task.cancel()
                    _ = await task.value
                    throw error
                }
                heart.cancel()
                try await write(await task.value, form, to: &writer)
                try await writer.finish(nil)
            })
    }

    /// Does the work; what becomes of it is the last event.
    private func start(_ work: @escaping Work, _ feed: AsyncStream<Event>.Continuation) -> Task<Event, Never> {
        // Awaited by the answer's body, whatever happens.
        Task {
            defer { feed.finish() }
            do {
                return try await exchange.connection.whilePresent { try await work { await Self.pass($0, to: feed) } }
            } catch { return failure(error) }
        }
    }

    /// What can't be left out waits for the client.
    private static func pass(_ event: Event, to feed: AsyncStream<Event>.Continuation) async {
        while case .dropped = feed.yield(event) {
            guard !event.mayBeLeftOut, (try? await Task.sleep(for: .milliseconds(20))) != nil else { return }
        }
    }

    private func failure(_ error: any Error) -> Event {
        let gone = CordonError(.cancelled, "the client closed the request")
        let known = ProblemAnswer.translate(error) ?? (gone, ProblemAnswer.status(of: .cancelled), [:])
        var last = Event(event: "error")
        last.problem = Problem(
            error: known.error, status: known.status.code, title: known.status.reasonPhrase,
            requestID: exchange.requestID)
        return last
    }

    /// Says something when nothing else has been for a while.
    private func beat(_ feed: AsyncStream<Event>.Continuation) -> Task<Void, Never> {
        let interval = exchange.front.options.heartbeat
        // Cancelled by the answer's body, whatever happens.
        return Task {
            while (try? await Task.sleep(for: interval)) != nil { feed.yield(Event(event: "heartbeat")) }
        }
    }

    private func write(_ event: Event, _ form: RunEventForm, to writer: inout any ResponseBodyWriter) async throws {
        let json = try JSONText.encode(event)
        switch form {
        case .lines: try await writer.write(ByteBuffer(bytes: json + [10]))
        case .serverSent:
            try await writer.write(
                ByteBuffer(bytes: Array("event: \(event.event)\ndata: ".utf8) + json + [10, 10]))
        }
    }
}
