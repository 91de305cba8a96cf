import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// A sandbox's history: as a list, or followed until it is over.
enum EventRoutes {
    /// How followed events are written.
    private enum Form {
        case lines
        case serverSent

        init(_ accept: String?) throws(CordonError) {
            let wanted = (accept ?? "").lowercased()
            if wanted.contains("text/event-stream") {
                self = .serverSent
            } else {
                self = .lines
            }
        }

        var contentType: String {
            switch self {
            case .lines: "application/x-ndjson"
            case .serverSent: "text/event-stream"
            }
        }

        func encode(_ event: Event) throws -> [UInt8] {
            let json = try JSONText.encode(event)
            return switch self {
            case .lines: json + [10]
            case .serverSent: Array("id: \(event.number)\nevent: \(event.kind)\ndata: ".utf8) + json + [10, 10]
            }
        }

        /// Something to write when nothing has happened for a while.
        var heartbeat: [UInt8]? {
            switch self {
            case .lines: nil
            case .serverSent: Array(": \n\n".utf8)
            }
        }
    }

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
        return try await follow(exchange, id, after: after ?? 0, as: Form(exchange.request.headers[.accept]))
    }

    private static func follow(_ exchange: Exchange, _ id: SandboxID, after: Int, as form: Form) async throws
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
                        try await writer.write(ByteBuffer(bytes: try form.encode(Event(event))))
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
