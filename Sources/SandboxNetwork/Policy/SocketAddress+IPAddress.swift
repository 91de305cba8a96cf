import NIOCore
import SandboxModel

extension IPAddress {
    /// The address of a socket; an IPv4 one that IPv6 sockets show mapped, as it is. nil for other families.
    package init?(_ address: SocketAddress) {
        switch address {
        case .v4(let v4): self.init(v4: UInt32(bigEndian: v4.address.sin_addr.s_addr))
        case .v6(let v6):
            let bytes = withUnsafeBytes(of: v6.address.sin6_addr) { Array($0) }
            guard let address = IPAddress(bytes: bytes) else { return nil }
            self = address.unmapped
        case .unixDomainSocket: return nil
        }
    }

    /// For sockets. Every address has such a form.
    package func socketAddress(port: UInt16) throws -> SocketAddress {
        try SocketAddress(packedIPAddress: ByteBuffer(bytes: bytes), port: Int(port))
    }
}
