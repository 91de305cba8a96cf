import Glibc
import SwiftASN1
import X509

/// What a server is reached by and proves to be: a DNS name or an IP address.
public enum ServerName: Sendable, Hashable, CustomStringConvertible {
    case dns(String)
    /// Four or sixteen bytes.
    case address([UInt8])

    /// nil for what is neither. A DNS name may begin with `*.`, which stands for one label.
    public init?(_ text: String) {
        if let bytes = Self.addressBytes(text) {
            self = .address(bytes)
            return
        }
        let labels = text.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        let named = labels.first == "*" && labels.count > 2 ? labels.dropFirst() : labels[...]
        guard (1...253).contains(text.utf8.count), !named.isEmpty, named.allSatisfy(Self.isLabel),
            named.last?.contains(where: { !$0.isNumber }) == true
        else { return nil }
        self = .dns(text.lowercased())
    }

    /// RFC 1123, 2.1.
    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
            && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    }

    private static func addressBytes(_ text: String) -> [UInt8]? {
        for (family, size) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: size)
            if inet_pton(family, text, &bytes) == 1 { return bytes }
        }
        return nil
    }

    /// The name in a certificate; nil for other kinds.
    init?(_ name: GeneralName) {
        switch name {
        case .dnsName(let text): self = .dns(text.lowercased())
        case .ipAddress(let bytes): self = .address(Array(bytes.bytes))
        default: return nil
        }
    }

    var generalName: GeneralName {
        switch self {
        case .dns(let text): .dnsName(text)
        case .address(let bytes): .ipAddress(ASN1OctetString(contentBytes: bytes[...]))
        }
    }

    /// Whether it stands for any name of a domain.
    public var isWildcard: Bool { if case .dns(let text) = self { text.hasPrefix("*.") } else { false } }

    /// Whether a certificate for this name proves that a server is `other` (RFC 6125, 6.4).
    func covers(_ other: ServerName) -> Bool {
        guard isWildcard, case .dns(let pattern) = self, case .dns(let name) = other,
            let dot = name.firstIndex(of: ".")
        else { return self == other }
        return name[dot...] == pattern.dropFirst()
    }

    public var description: String {
        switch self {
        case .dns(let text): return text
        case .address(let bytes):
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
