import ModalProtocol
import SandboxModel

/// Proxies, of which there are none.
struct ProxyCalls: Sendable {
    func add(to table: inout CallTable) {
        table.unary("ProxyGet") { (request: ModalProxyGetRequest, _) -> ModalProxyGetResponse in
            throw CordonError(
                .notFound, "there is no proxy \(request.name.prefix(64)): Cordon has none", field: "name",
                value: request.name)
        }
    }
}
