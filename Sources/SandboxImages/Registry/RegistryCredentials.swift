import CordonAPI
import Foundation
import SandboxModel

/// Names and passwords for registries, as Docker's `config.json` holds them under `auths`.
public struct RegistryCredentials: Sendable {
    /// For a host: what goes behind `Basic`.
    private let basic: [String: String]

    public static let none = RegistryCredentials(basic: [:])

    private init(basic: [String: String]) { self.basic = basic }

    /// A login for one server, and none for others.
    package init(_ login: RegistryLogin, for endpoint: RegistryEndpoint) {
        basic = [endpoint.host: Data("\(login.user):\(login.password)".utf8).base64EncodedString()]
    }

    /// What was wrong with the file; never its content.
    public struct Malformed: Error, CustomStringConvertible {
        public let description: String
    }

    /// Reads the text of a `config.json`. Credential helpers are programs of the operator's, which this service has no rights
    /// to give to: a file that names some is refused, as is an entry without `auth`.
    public init(dockerConfig bytes: [UInt8]) throws(Malformed) {
        let json: JSONValue
        do {
            json = try JSONParser.parse(bytes)
        } catch { throw Malformed(description: "it isn't JSON (line \(error.line), column \(error.column))") }
        for name in ["credHelpers", "credsStore"] {
            guard case .object(let members) = json, let helpers = members[name] else { continue }
            guard helpers == .object([:]) || helpers == .string("") else {
                throw Malformed(
                    description: "\(name): credential helpers aren't run; put what they answer into \"auths\"")
            }
        }
        guard case .object(let members) = json, case .object(let entries)? = members["auths"] else {
            throw Malformed(description: "it has no object \"auths\"")
        }
        var basic: [String: String] = [:]
        for (name, entry) in entries {
            guard case .object(let fields) = entry, case .string(let text)? = fields["auth"],
                let decoded = Base64.decode(text), decoded.contains(UInt8(ascii: ":"))
            else { throw Malformed(description: "auths.\(name) has no \"auth\" of user:password in base64") }
            basic[Self.host(of: name)] = text
        }
        self.basic = basic
    }

    /// `https://index.docker.io/v1/` is Docker Hub's key; others are hosts, perhaps with a scheme and a path.
    private static func host(of name: String) -> String {
        var rest = name[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        let host = rest.prefix { $0 != "/" }
        return host == "index.docker.io" ? "docker.io" : String(host)
    }

    package func basic(for endpoint: RegistryEndpoint) -> String? { basic[endpoint.host] }
}
