import CordonAPI
import SandboxModel

/// How things that happen are written while they are followed.
enum EventForm {
    /// A JSON document on each line.
    case lines
    /// Server-sent events (the HTML standard, section 9.2).
    case serverSent

    init(_ accept: String?) {
        self = (accept ?? "").lowercased().contains("text/event-stream") ? .serverSent : .lines
    }

    var contentType: String {
        switch self {
        case .lines: "application/x-ndjson"
        case .serverSent: "text/event-stream"
        }
    }

    /// `number` is what a client can go on behind.
    func encode(_ event: some Encodable, kind: String, number: Int? = nil) throws -> [UInt8] {
        let json = try JSONText.encode(event)
        guard self == .serverSent else { return json + [10] }
        let id = number.map { "id: \($0)\n" } ?? ""
        return Array("\(id)event: \(kind)\ndata: ".utf8) + json + [10, 10]
    }

    /// Something to write when nothing has happened for a while.
    var heartbeat: [UInt8]? { self == .serverSent ? Array(": \n\n".utf8) : nil }
}
