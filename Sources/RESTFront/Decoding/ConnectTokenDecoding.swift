import CordonAPI
import SandboxModel

extension ConnectTokenRequest {
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<CreateConnectTokenRequest.CodingKeys>(json)
        self.init()
        if let port = try fields.whole(.port, in: 1...65_535) { self.port = UInt16(port) }
        let most = Int(ConnectGrant.maximumLifetime.inSeconds)
        if let seconds = try fields.whole(.expiresSeconds, in: 1...most) { lifetime = .seconds(seconds) }
        metadata = try Self.metadata(fields.value(.userMetadata), fields.field(.userMetadata))
    }

    /// JSON text, or an object as it stands.
    private static func metadata(_ value: JSONValue?, _ field: String) throws(CordonError) -> UserMetadata? {
        switch value {
        case nil: return nil
        case .string(let text):
            do { _ = try JSONParser.parse(Array(text.utf8)) } catch {
                throw .invalid(
                    field: field, value: nil, rule: "JSON text: \(error.message) (at its byte \(error.byteOffset))")
            }
            return try UserMetadata(json: text)
        case .object: return try UserMetadata(json: String(decoding: value?.text ?? [], as: UTF8.self))
        default: throw .invalid(field: field, value: nil, rule: "JSON text in a string, or an object")
        }
    }
}
