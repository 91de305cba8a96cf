import Foundation

/// An absolute `http` or `https` URL, taken apart as a request needs it.
struct RegistryURL: Sendable, Hashable {
    let isSecure: Bool
    /// Without brackets.
    let host: String
    let port: Int
    /// Path and query.
    let target: String

    /// nil for anything else, and for one that names a user.
    init?(_ text: String) {
        guard text.utf8.count <= 8192, let parts = URLComponents(string: text),
            let scheme = parts.scheme?.lowercased(), scheme == "http" || scheme == "https", parts.user == nil,
            let name = parts.host, !name.isEmpty
        else { return nil }
        isSecure = scheme == "https"
        host = name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : name
        port = parts.port ?? (isSecure ? 443 : 80)
        let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
        target = path + (parts.percentEncodedQuery.map { "?\($0)" } ?? "")
        guard (1...65535).contains(port), target.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
    }

    /// For the `Host` field.
    var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// Whether both are of the same server.
    func isOfSameServer(as other: RegistryURL) -> Bool {
        isSecure == other.isSecure && host == other.host && port == other.port
    }
}
