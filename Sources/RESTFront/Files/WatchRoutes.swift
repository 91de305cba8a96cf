import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// What happens to a sandbox's files, as it happens.
enum WatchRoutes {
    static func watch(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "recursive", "user"])
        let (path, recursive) = (try FileRoutes.path(query), try query.flag("recursive"))
        let form = EventForm(exchange.request.headers[.accept])
        let session = try await FileRoutes.open(exchange, query)
        guard exchange.front.waits.take() else {
            throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
        }
        exchange.scope.atEnd { [front = exchange.front] in front.waits.giveBack() }
        let connection = exchange.connection
        try await connection.whilePresent { try await session.watch(path, recursive: recursive) }
        return Response(
            status: .ok, headers: [.contentType: form.contentType],
            body: ResponseBody { writer in
                // It is watched from here on: whoever waits for that may go on.
                try await writer.write(ByteBuffer(bytes: try form.encode(FileChangeEvent(.watching), kind: "watching")))
                while let changes = try await connection.whilePresent({ try await session.nextChanges() }) {
                    for change in changes {
                        let event = FileChangeEvent(change)
                        try await writer.write(
                            ByteBuffer(bytes: try form.encode(event, kind: event.kind.rawValue)))
                    }
                    if changes.isEmpty, let heartbeat = form.heartbeat {
                        try await writer.write(ByteBuffer(bytes: heartbeat))
                    }
                }
                try await writer.finish(nil)
            })
    }
}

extension FileChangeEvent {
    init(_ change: FileChange) {
        self.init(Kind(change.kind))
        if change.kind == .overflow { return }
        isDirectory = change.isDirectory
        if let text = String(validating: change.path, as: UTF8.self) {
            path = text
        } else {
            pathBase64 = String(decoding: Base64.encode(change.path), as: UTF8.self)
        }
        guard let renamed = change.newPath else { return }
        if let text = String(validating: renamed, as: UTF8.self) {
            newPath = text
        } else {
            newPathBase64 = String(decoding: Base64.encode(renamed), as: UTF8.self)
        }
    }
}

extension FileChangeEvent.Kind {
    /// What comes from elsewhere, or goes there, appears or is gone to who watches this place.
    init(_ kind: FileChange.Kind) {
        self =
            switch kind {
            case .created, .movedIn: .created
            case .modified: .modified
            case .removed, .movedOut: .removed
            case .renamed: .renamed
            case .overflow: .overflow
            }
    }
}
