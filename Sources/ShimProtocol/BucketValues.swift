import SandboxModel

extension BucketOrder: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(mount.bucket.text)
        writer.put(mount.path.text)
        writer.put(mount.prefix?.text ?? "")
        writer.put(mount.endpoint?.text ?? "")
        writer.put(mount.region?.text ?? "")
        writer.put(mount.isReadOnly)
        writer.put(mount.isPathStyle)
        writer.put(mount.isRequesterPaid)
        writer.put(credentials)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let texts = try (reader.string(), reader.string(), reader.string(), reader.string(), reader.string())
        let flags = try (reader.bool(), reader.bool(), reader.bool())
        let credentials: BucketCredentials? = try reader.optional()
        do {
            let mount = BucketMount(
                bucket: try BucketName(texts.0), path: try FilePath(texts.1),
                prefix: texts.2.isEmpty ? nil : try KeyPrefix(texts.2),
                endpoint: texts.3.isEmpty ? nil : try BucketEndpoint(texts.3),
                region: texts.4.isEmpty ? nil : try BucketRegion(texts.4),
                isReadOnly: flags.0, isPathStyle: flags.1, isRequesterPaid: flags.2)
            self.init(mount, credentials: credentials)
        } catch { throw WireError("no bucket: \(error.rule ?? "")") }
    }
}

extension BucketCredentials: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(keyID)
        writer.put(secretKey)
        writer.put(sessionToken ?? "")
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let (keyID, secretKey, token) = try (reader.string(), reader.string(), reader.string())
        do {
            try self.init(
                keyID: keyID, secretKey: secretKey, sessionToken: token.isEmpty ? nil : token, field: "credentials")
        } catch { throw WireError("no credentials of a bucket") }
    }
}
