import SandboxModel

/// The list of parts that ends an upload in several, as S3's CompleteMultipartUpload has it: of each part its number
/// and its tag. Nothing else of XML is understood.
enum PartList {
    private static let tagDigits = 32

    /// The tags, in the order of the parts' numbers, which are 1, 2, 3 and so on.
    static func tags(_ body: [UInt8]) throws(CordonError) -> [String] {
        let text = String(decoding: body, as: UTF8.self)
        var tags: [String] = []
        for part in text.split(separator: "<Part>").dropFirst() {
            guard let number = element("PartNumber", of: part).flatMap({ Int($0) }), number == tags.count + 1,
                let tag = element("ETag", of: part)?.replacing("&quot;", with: "\"").filter({ $0 != "\"" }),
                tag.utf8.count == tagDigits,
                tag.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
            else {
                throw .invalid(
                    field: "body", value: String(part.prefix(100)),
                    rule: "of part \(tags.count + 1) its PartNumber and its ETag")
            }
            tags.append(tag)
        }
        return tags
    }

    private static func element(_ name: String, of text: Substring) -> String? {
        let halves = text.split(separator: "<\(name)>", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        let inside = halves[1].split(separator: "</\(name)>", maxSplits: 1, omittingEmptySubsequences: false)
        return inside.count == 2 ? String(inside[0].filter { !$0.isWhitespace }) : nil
    }
}
