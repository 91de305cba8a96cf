extension DNSMessage {
    /// The message's bytes. One longer than `limit` loses its records and says so (TC), so that the
    /// other side asks over TCP.
    package func serialized(limit: Int = Int(UInt16.max)) -> [UInt8] {
        let whole = write()
        guard whole.count > limit else { return whole }
        var short = self
        short.isTruncated = true
        short.answers = []
        short.authorities = []
        short.additionals = []
        let bytes = short.write()
        guard bytes.count > limit else { return bytes }
        short.options?.fault = nil
        return short.write()
    }

    private func write() -> [UInt8] {
        var writer = DNSWriter()
        writer.write(id)
        writer.write(flags)
        writer.write(UInt16(questions.count))
        writer.write(UInt16(answers.count))
        writer.write(UInt16(authorities.count))
        writer.write(UInt16(additionals.count + (options == nil ? 0 : 1)))
        for question in questions {
            writer.write(question.name)
            writer.write(question.type.number)
            writer.write(question.recordClass)
        }
        for record in answers + authorities + additionals { record.write(to: &writer) }
        options?.write(to: &writer, code: code)
        return writer.bytes
    }

    private var flags: UInt16 {
        var flags = UInt16(opcode & 0xf) << 11 | code.number & 0xf
        if isResponse { flags |= 0x8000 }
        if isAuthoritative { flags |= 0x0400 }
        if isTruncated { flags |= 0x0200 }
        if recursionDesired { flags |= 0x0100 }
        if recursionAvailable { flags |= 0x0080 }
        if isAuthentic { flags |= 0x0020 }
        if checkingDisabled { flags |= 0x0010 }
        return flags
    }
}

extension DNSRecord {
    fileprivate func write(to writer: inout DNSWriter) {
        writer.write(name)
        writer.write(type.number)
        writer.write(recordClass)
        writer.write(seconds)
        writer.writeWithLength { writer in
            if type == .cname { writer.write(DNSName(unchecked: data)) } else { writer.write(data) }
        }
    }
}

extension DNSOptions {
    fileprivate func write(to writer: inout DNSWriter, code: DNSCode) {
        writer.write(DNSName.root)
        writer.write(DNSType.opt.number)
        writer.write(payloadSize)
        writer.write(UInt32(code.number >> 4 & 0xff) << 24 | UInt32(version) << 16 | (wantsSignatures ? 0x8000 : 0))
        writer.writeWithLength { writer in
            guard let fault else { return }
            writer.write(UInt16(15))
            writer.writeWithLength { writer in
                writer.write(fault.number)
                writer.write(Array(fault.text.utf8.prefix(200)))
            }
        }
    }
}
