/// Why bytes are not a DNS message that we take.
package enum DNSFault: Error, Hashable {
    /// The message ends in the middle of something.
    case truncated
    /// Bytes stand behind the last record.
    case trailingBytes
    /// A label that is neither plain nor a pointer (RFC 6891 gave the other kinds up).
    case labelKind
    /// A compression pointer that doesn't point to before the name it stands in.
    case pointer
    /// A name of more than 255 bytes.
    case nameLength
    /// More records, or more bytes in them once names are written out, than any honest message has.
    case size
    /// A record's data doesn't have the form or length of its type.
    case data
    /// More than one OPT record, or one that isn't where and as it should be.
    case options
}
