public import CordonAPI
import NIOCore

extension CordonClient {
    /// What happened to a sandbox, oldest first: events with a number above `number`.
    public func events(of id: String, after number: Int = 0) async throws -> [Event] {
        let list: EventList = try await ask(.GET, Self.path(id) + "/events?after=\(number)")
        return list.events
    }

    /// Gives every event to `consume`, once and in order, until the sandbox is over; goes on by number
    /// when the connection or the service is lost.
    public func followEvents(
        of id: String, after number: Int = 0, _ consume: (Event) async throws -> Void
    ) async throws {
        var last = number
        var retrying = Retrying(patience: patience)
        while true {
            do {
                var status = 0
                var refusal: [UInt8] = []
                var objects = JSONObjects(atDepth: 0)
                _ = try await transport.send(
                    call(.GET, Self.path(id) + "/events?follow=true&after=\(last)"), onHead: { status = $0.status },
                    onBody: { bytes in
                        guard status == 200 else {
                            refusal.append(contentsOf: bytes.readableBytesView)
                            return
                        }
                        for object in try objects.take(bytes.readableBytesView) {
                            let event = try JSONText.decode(Event.self, from: object)
                            last = event.number
                            retrying.progressed()
                            try await consume(event)
                        }
                    })
                guard status == 200 else { throw ClientError(status: status, body: refusal) }
                // The answer ends, whole, with the sandbox alone.
                return
            } catch { try await retrying.pause(after: error) }
        }
    }
}
