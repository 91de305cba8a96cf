import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// A sandbox's history: as a list, or followed until it is over.
enum EventRoutes {
    static func events(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["after", "follow"])
        let id = try exchange.sandboxID()
        var after = try query.whole("after", in: 0...Int.max)
        if after == nil, let last = exchange.request.headers[.lastEventID] {
            guard let number = Int(last), number >= 0 else {
                throw CordonError.invalid(field: "Last-Event-ID", value: last, rule: "an event's number")
            }
            after = number
        }
        guard try query.flag("follow") else {
            let events = try await exchange.service.events(of: id, after: after ?? 0, waitingUpTo: .zero)
            return try .json(EventList(events: events.map { Event($0) }))
        }
        return try await follow(exchange, id, after: after ?? 0, as: EventForm(exchange.request.headers[.accept]))
    }

    private static func follow(_ exchange: Exchange, _ id: SandboxID, after: Int, as form: EventForm) async throws
        -> Response
    {
        let service = exchange.service
        guard exchange.front.waits.take() else {
            throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
        }
        exchange.scope.atEnd { [front = exchange.front] in front.waits.giveBack() }
        // The first look tells whether there is such a sandbox, while a problem can still be answered.
        let first = try await service.events(of: id, after: after, waitingUpTo: .zero)
        let over = try await service.sandbox(id).status.ending != nil
        let connection = exchange.connection
        let step = exchange.front.options.waitStep
        return Response(
            status: .ok, headers: [.contentType: form.contentType],
            body: ResponseBody { writer in
                var events = first
                var number = after
                // A sandbox that was over before the first look has no more to tell than that look saw.
                var finished = over && events.isEmpty
                while !finished {
                    for event in events {
                        let told = Event(event)
                        let bytes = try form.encode(told, kind: "\(told.kind)", number: told.number)
                        try await writer.write(ByteBuffer(bytes: bytes))
                        number = event.number
                        if event.kind == .ended { finished = true }
                    }
                    if finished { break }
                    let last = number
                    let wasOver = try await service.sandbox(id).status.ending != nil
                    events = try await connection.whilePresent {
                        try await service.events(of: id, after: last, waitingUpTo: step)
                    }
                    // Whoever asked for events beyond the last has seen none of its end.
                    if events.isEmpty, wasOver { break }
                    if events.isEmpty, let heartbeat = form.heartbeat {
                        try await writer.write(ByteBuffer(bytes: heartbeat))
                    }
                }
                try await writer.finish(nil)
            })
    }
}
