import CordonAPI
import SandboxModel

/// Fields of documents that others wrote: what isn't of its type counts as wrong, what isn't known is passed over.
package struct JSONFields: Sendable {
    private let members: [String: JSONValue]
    private let what: String

    /// Throws `unsupported` unless `bytes` are a JSON object.
    package init(_ bytes: [UInt8], what: String) throws(RegistryError) {
        do {
            try self.init(try JSONParser.parse(bytes), what: what)
        } catch let error as JSONSyntaxError {
            throw .unsupported("\(what) isn't JSON: \(error.message)")
        } catch { throw .unsupported("\(what) is no JSON object") }
    }

    package init(_ value: JSONValue, what: String) throws(RegistryError) {
        guard case .object(let members) = value else { throw .unsupported("\(what) is no JSON object") }
        (self.members, self.what) = (members, what)
    }

    package func value(_ name: String) -> JSONValue? { members[name].flatMap { $0 == .null ? nil : $0 } }

    package func string(_ name: String) throws(RegistryError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw wrong(name) }
        return text
    }

    package func integer(_ name: String) throws(RegistryError) -> Int64? {
        guard let value = value(name) else { return nil }
        guard case .integer(let number) = value else { throw wrong(name) }
        return number
    }

    package func objects(_ name: String) throws(RegistryError) -> [JSONFields]? {
        guard let value = value(name) else { return nil }
        guard case .array(let values) = value else { throw wrong(name) }
        var found: [JSONFields] = []
        for (index, value) in values.enumerated() {
            found.append(try JSONFields(value, what: "\(name)[\(index)] of \(what)"))
        }
        return found
    }

    package func object(_ name: String) throws(RegistryError) -> JSONFields? {
        guard let value = value(name) else { return nil }
        return try JSONFields(value, what: "\(name) of \(what)")
    }

    package func strings(_ name: String) throws(RegistryError) -> [String] {
        guard let value = value(name) else { return [] }
        guard case .array(let values) = value else { throw wrong(name) }
        var texts: [String] = []
        for value in values {
            guard case .string(let text) = value else { throw wrong(name) }
            texts.append(text)
        }
        return texts
    }

    package func pairs(_ name: String) throws(RegistryError) -> [String: String] {
        guard let value = value(name) else { return [:] }
        guard case .object(let members) = value else { throw wrong(name) }
        var pairs: [String: String] = [:]
        for (key, value) in members {
            guard case .string(let text) = value else { throw wrong(name) }
            pairs[key] = text
        }
        return pairs
    }

    /// The names of an object's members, in order.
    package func keys(_ name: String) throws(RegistryError) -> [String] {
        guard let value = value(name) else { return [] }
        guard case .object(let members) = value else { throw wrong(name) }
        return members.keys.sorted()
    }

    package func digest(_ name: String) throws(RegistryError) -> ContentDigest {
        guard let text = try string(name), let digest = ContentDigest(text) else { throw wrong(name) }
        return digest
    }

    package func wrong(_ name: String) -> RegistryError { .unsupported("\(what): \(name) isn't what it should be") }
}
