import NIOCore

/// The client's side of one exchange: a request of an HTTP/1.1 connection, or a stream of HTTP/2. On its event
/// loop alone.
protocol ExchangeClient: AnyObject {
    /// Whether more of the answer may be given now; `Exchange.clientHasRoom` is called when that becomes true.
    var hasRoom: Bool { get }
    /// What the exchange waited for with `takesBody` is over: it takes more of the body.
    func goOn()
    /// A head, final or informational; says what its `body` asks for.
    func send(_ head: ResponseHead)
    func send(_ bytes: ByteBuffer)
    /// The answer is complete.
    func finish()
    /// The answer can't be completed, in a way that the client notices.
    func breakOff()
    /// From here on both sides carry bytes that aren't HTTP.
    func becomeWebSocket(_ head: ResponseHead)
    /// No more bytes will come from the sandbox's side of a WebSocket.
    func closeOutput()
}
