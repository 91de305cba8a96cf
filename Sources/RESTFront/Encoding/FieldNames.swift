import CordonAPI
import HTTPTypes

extension HTTPField.Name {
    static let cordonOffset = known(HeaderNames.offset)
    static let cordonDropped = known(HeaderNames.dropped)
    static let cordonEnd = known(HeaderNames.end)
    static let cordonFileMode = known(HeaderNames.fileMode)
    static let idempotencyKey = known(HeaderNames.idempotencyKey)
    static let requestID = known(HeaderNames.requestID)
    static let lastEventID = known("Last-Event-ID")

    private static func known(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is a field name") }
        return name
    }
}
