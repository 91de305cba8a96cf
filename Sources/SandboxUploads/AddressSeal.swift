import Foundation
import SandboxModel

/// Signs addresses of content, and knows them again. A signature is for one method, one path and one moment.
struct AddressSeal: Sendable {
    let lifetime: Duration
    let sign: @Sendable ([UInt8]) -> [UInt8]

    func address(of content: ContentAddress, at now: Timestamp) -> String {
        let expires = "\(now.microseconds / 1_000_000 + lifetime.components.seconds)"
        return "\(content.path)?expires=\(expires)&signature=\(signature(content, expires))"
    }

    func admit(
        _ content: ContentAddress, expires: String?, signature given: String?, at now: Timestamp
    ) throws(CordonError) {
        guard let expires, let given, let end = Int64(expires), Self.areSame(given, signature(content, expires)) else {
            throw CordonError(
                .permissionDenied, "this address isn't one that the service has given out", field: "signature")
        }
        guard now.microseconds / 1_000_000 < end else {
            throw CordonError(
                .permissionDenied, "this address was good until \(expires), in seconds since 1970", field: "expires",
                value: expires)
        }
    }

    private func signature(_ content: ContentAddress, _ expires: String) -> String {
        let text = "content address \(content.method) \(content.path) \(expires)"
        return Data(sign(Array(text.utf8))).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }

    /// Without telling by its time where they differ.
    private static func areSame(_ one: String, _ other: String) -> Bool {
        guard one.utf8.count == other.utf8.count else { return false }
        return zip(one.utf8, other.utf8).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
