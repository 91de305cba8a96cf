import CLinux
import Glibc

/// A netlink socket of the network namespace that it was opened in, wherever its user goes later.
public final class NetlinkSocket {
    private let descriptor: Descriptor
    private var sequence: UInt32 = 1
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

    /// The largest answer that a dump may come to; what the kernel holds is other people's doing too.
    private static let mostDumped = 64 << 20

    /// - Parameter netlinkProtocol: `NETLINK_ROUTE`, `NETLINK_NETFILTER`.
    public init(_ netlinkProtocol: Int32) throws(SystemCallError) {
        descriptor = Descriptor(owning: try check(cordon_netlink_open(netlinkProtocol), "socket", "netlink"))
    }

    public var raw: Int32 { descriptor.raw }

    /// Gives the socket away.
    public func duplicate() throws(SystemCallError) -> Descriptor { try descriptor.duplicated() }

    public func join(_ group: UInt32) throws(SystemCallError) {
        try check(cordon_netlink_join(raw, group), "setsockopt", "NETLINK_ADD_MEMBERSHIP")
    }

    /// Sends requests together and returns once the kernel has done all of them. The first that failed is
    /// thrown; those before it are done.
    ///
    /// - Parameter framed: whether they are a transaction of netfilter's, all or nothing: its first and last
    ///   messages are its frame, which nobody acknowledges.
    public func perform(
        _ messages: [NetlinkMessage], framed: Bool = false, _ subject: @autoclosure () -> String
    ) throws(SystemCallError) {
        guard !messages.isEmpty else { return }
        let first = sequence
        var bytes: [UInt8] = []
        let acknowledged = messages.count - (framed ? 2 : 1)
        for (index, message) in messages.enumerated() {
            bytes += message.sealed(sequence: sequence, acknowledged: index == acknowledged)
            sequence &+= 1
        }
        try send(bytes, subject())
        try awaitAnswers(first: first, last: first &+ UInt32(acknowledged), subject())
    }

    private func send(_ bytes: [UInt8], _ subject: String) throws(SystemCallError) {
        var space = Int32(bytes.count + 4096)
        // Larger than usual batches need room; root may take it.
        if bytes.count > 128 * 1024 {
            setsockopt(raw, SOL_SOCKET, SO_SNDBUFFORCE, &space, socklen_t(MemoryLayout<Int32>.size))
        }
        while true {
            let sent = Glibc.send(raw, bytes, bytes.count, 0)
            if sent < 0 && errno == EINTR { continue }
            try check(sent, "send", subject)
            return
        }
    }

    /// The kernel works as it takes a request: all answers are there when the send returns.
    private func awaitAnswers(first: UInt32, last: UInt32, _ subject: String) throws(SystemCallError) {
        var failure: SystemCallError?
        var isDone = false
        while true {
            let count = cordon_netlink_receive(raw, &buffer, buffer.count, false)
            if count < 0 {
                if errno == EINTR || errno == ENOMSG { continue }
                if errno == EAGAIN { break }
                throw SystemCallError("recv", subject)
            }
            for answer in NetlinkAnswer.messages(in: buffer[..<count]) ?? [] {
                guard answer.sequence &- first <= last &- first, answer.type == UInt16(NLMSG_ERROR) else { continue }
                if answer.sequence == last { isDone = true }
                if failure == nil { failure = Self.failure(in: answer, subject) }
            }
        }
        if let failure { throw failure }
        guard isDone else { throw SystemCallError("netlink", subject, errno: EPROTO) }
    }

    /// The error in an acknowledgement, with the kernel's own words; nil when it says that all is well.
    private static func failure(in answer: NetlinkAnswer, _ subject: String) -> SystemCallError? {
        let number = -answer.payload.number(at: 0, as: Int32.self)
        guard number != 0 else { return nil }
        guard answer.flags & UInt16(NLM_F_ACK_TLVS) != 0 else {
            return SystemCallError("netlink", subject, errno: number)
        }
        // The error's own part: errno and the request's header, whose payload NETLINK_CAP_ACK leaves out.
        let words = answer.attributes(after: 20).value(of: Int(NLMSGERR_ATTR_MSG.rawValue))?.text
        return SystemCallError("netlink", words.map { "\(subject) (\($0))" } ?? subject, errno: number)
    }

    /// Asks for a list and calls `each` for every entry.
    public func dump(
        _ message: NetlinkMessage, _ subject: String, each: (NetlinkAnswer) -> Void
    ) throws(SystemCallError) {
        let number = sequence
        sequence &+= 1
        try send(message.sealed(sequence: number, acknowledged: false), subject)
        var total = 0
        while total < Self.mostDumped {
            let count = cordon_netlink_receive(raw, &buffer, buffer.count, true)
            if count < 0 {
                if errno == EINTR || errno == ENOMSG { continue }
                throw SystemCallError("recv", subject)
            }
            total += count
            for answer in NetlinkAnswer.messages(in: buffer[..<count]) ?? [] where answer.sequence == number {
                if answer.type == UInt16(NLMSG_DONE) { return }
                if answer.type == UInt16(NLMSG_ERROR) {
                    if let failure = Self.failure(in: answer, subject) { throw failure }
                    return
                }
                each(answer)
            }
        }
        throw SystemCallError("netlink", subject, errno: EMSGSIZE)
    }

    /// What the kernel has told the groups that this socket joined; nil when some of it was lost.
    public func notifications() -> [NetlinkAnswer]? {
        var all: [NetlinkAnswer] = []
        for _ in 0..<256 {
            let count = cordon_netlink_receive(raw, &buffer, buffer.count, false)
            if count < 0 {
                if errno == EINTR || errno == ENOMSG { continue }
                return errno == EAGAIN ? all : nil
            }
            all += NetlinkAnswer.messages(in: buffer[..<count]) ?? []
        }
        return all
    }
}
