import Foundation
import RESTFront
import Yams

/// openapi.yaml as the tests read it, with as much of JSON Schema as it uses.
struct Contract: @unchecked Sendable {
    let root: [String: Any]

    init() throws {
        let text = String(decoding: RESTFront.embeddedOpenAPIDocument, as: UTF8.self)
        root = try unwrap(try Yams.load(yaml: text) as? [String: Any], "the contract is no mapping")
    }

    /// What a `$ref` points to, with the keywords beside it.
    func resolve(_ value: Any?) throws -> [String: Any] {
        var object = try unwrap(value as? [String: Any], "no object where one belongs")
        while let reference = object.removeValue(forKey: "$ref") as? String {
            var target: Any = root
            for part in reference.dropFirst(2).split(separator: "/") {
                target = try unwrap((target as? [String: Any])?[String(part)], "nothing at \(reference)")
            }
            object = try unwrap(target as? [String: Any]).merging(object) { $1 }
        }
        return object
    }

    var operations: Set<String> {
        get throws {
            let paths = try unwrap(root["paths"] as? [String: [String: Any]])
            return Set(paths.flatMap { path, methods in methods.keys.map { "\($0.uppercased()) \(path)" } })
        }
    }

    func operation(_ method: String, _ pattern: String) throws -> [String: Any] {
        let path = try resolve(try resolve(root["paths"])[pattern])
        return try resolve(path[method.lowercased()])
    }

    func properties(of schema: String) throws -> [String: Any] {
        let schemas = try resolve(try resolve(root["components"])["schemas"])
        return try resolve(try resolve(schemas[schema])["properties"])
    }

    /// What of an answer the contract doesn't allow; empty when all is as described.
    func violations(_ response: WireResponse, of method: String, _ pattern: String) throws -> [String] {
        let responses = try resolve(try operation(method, pattern)["responses"])
        guard let found = responses[String(response.status)] else { return ["\(response.status) isn't described"] }
        let described = try resolve(found)
        var violations: [String] = []
        for (name, header) in try resolve(described["headers"]) {
            let header = try resolve(header)
            if header["required"] as? Bool == true, response.headers[name.lowercased()] == nil {
                violations.append("no \(name)")
            }
        }
        guard let content = described["content"] else {
            return response.body.isEmpty ? violations : violations + ["a body where none is described"]
        }
        let type = response.headers["content-type"] ?? ""
        guard let media = try resolve(content)[type] else { return violations + ["\(type) isn't described"] }
        if type.hasSuffix("json"), type != "application/x-ndjson", let schema = try resolve(media)["schema"] {
            violations += try check(
                JSONSerialization.jsonObject(with: Data(response.body), options: .fragmentsAllowed), schema, "$")
        }
        return violations
    }

    func check(_ value: Any, _ schema: Any, _ path: String) throws -> [String] {
        let schema = try resolve(schema)
        var wrong: [String] = []
        if let choices = schema["oneOf"] as? [Any] {
            let fits = try choices.filter { try check(value, $0, path).isEmpty }.count
            if fits != 1 { wrong.append("\(path) fits \(fits) of oneOf") }
        }
        if let types = (schema["type"] as? [String]) ?? (schema["type"] as? String).map({ [$0] }),
            !types.contains(where: { fits(value, $0) })
        {
            return wrong + ["\(path) is no \(types)"]
        }
        if let choices = schema["enum"] as? [String], !choices.contains("\(value)") {
            wrong.append("\(path): \(value) isn't in the enum")
        }
        if let number = value as? NSNumber, let least = schema["minimum"] as? NSNumber,
            number.doubleValue < least.doubleValue
        {
            wrong.append("\(path) is too small")
        }
        if let text = value as? String, let pattern = schema["pattern"] as? String,
            text.range(of: pattern, options: .regularExpression) == nil
        {
            wrong.append("\(path): \(text) doesn't match")
        }
        if let values = value as? [Any], let items = schema["items"] {
            for (index, item) in values.enumerated() { wrong += try check(item, items, "\(path)[\(index)]") }
        }
        if let object = value as? [String: Any] { wrong += try checkObject(object, schema, path) }
        return wrong
    }

    private func checkObject(_ object: [String: Any], _ schema: [String: Any], _ path: String) throws -> [String] {
        var wrong: [String] = []
        let properties = schema["properties"] as? [String: Any] ?? [:]
        for name in schema["required"] as? [String] ?? [] where object[name] == nil {
            wrong.append("\(path).\(name) is missing")
        }
        for (name, member) in object {
            if let property = properties[name] {
                wrong += try check(member, property, "\(path).\(name)")
            } else if schema["additionalProperties"] as? Bool == false {
                wrong.append("\(path).\(name) isn't described")
            } else if let additional = schema["additionalProperties"] as? [String: Any] {
                wrong += try check(member, additional, "\(path).\(name)")
            }
        }
        return wrong
    }

    private func fits(_ value: Any, _ type: String) -> Bool {
        let isBool = (value as? NSNumber).map { CFBooleanLike.isBoolean($0) } ?? false
        return switch type {
        case "null": value is NSNull
        case "boolean": isBool
        case "string": value is String
        case "array": value is [Any]
        case "object": value is [String: Any]
        case "integer": !isBool && (value as? NSNumber).map { $0.doubleValue == $0.doubleValue.rounded() } ?? false
        case "number": !isBool && value is NSNumber
        default: false
        }
    }

    private enum CFBooleanLike {
        static func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
    }
}
