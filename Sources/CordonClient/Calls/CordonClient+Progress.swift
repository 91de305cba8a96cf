import CordonAPI
import NIOCore

extension CordonClient {
    /// Follows work line by line, and asks for it again where the connection is lost: what was done until then is there.
    /// Returns the last line.
    func follow<Event: Decodable & Sendable>(
        _ path: String, _ body: [UInt8], key: String? = nil, _ show: (Event) async throws -> Void
    ) async throws -> Event? {
        var retrying = Retrying(patience: patience)
        while true {
            do {
                var status = 0
                var refusal: [UInt8] = []
                var last: Event?
                var objects = JSONObjects(atDepth: 0)
                var call = call(.POST, path)
                call.body = body
                call.headers += [("Content-Type", "application/json"), ("Accept", "application/x-ndjson")]
                if let key { call.headers.append((HeaderNames.idempotencyKey, key)) }
                _ = try await transport.send(
                    call, onHead: { status = $0.status },
                    onBody: { bytes in
                        guard status == 200 else {
                            refusal.append(contentsOf: bytes.readableBytesView)
                            return
                        }
                        for object in try objects.take(bytes.readableBytesView) {
                            let event = try JSONText.decode(Event.self, from: object)
                            retrying.progressed()
                            last = event
                            try await show(event)
                        }
                    })
                guard status == 200 else { throw ClientError(status: status, body: refusal) }
                return last
            } catch { try await retrying.pause(after: error) }
        }
    }
}
