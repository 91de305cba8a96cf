import Yams

/// A JSON value with its position and its path, read as exactly one type or refused.
struct ProfileValue {
    let profile: String
    /// How messages name the value, such as `syscalls[3].args[0].op`.
    let path: String
    private let node: Node

    static func parse(profile: String, json: String) throws(SeccompPolicyError) -> ProfileValue {
        try JSONTextCheck.run(profile: profile, json: json)
        do {
            guard let node = try Yams.compose(yaml: json) else {
                throw SeccompPolicyError(profile: profile, at: .start, "not JSON: the text is empty")
            }
            return ProfileValue(profile: profile, path: "", node: node)
        } catch let error as SeccompPolicyError {
            throw error
        } catch {
            throw Self.refusal(of: error, profile: profile)
        }
    }

    private static func refusal(of error: any Error, profile: String) -> SeccompPolicyError {
        var position = TextPosition.start
        var message = "\(error)"
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            position = TextPosition(line: mark.line, column: mark.column)
            message = "not JSON: " + problem
        case .duplicatedKeysInMapping(let keys, let context):
            position = TextPosition(line: context.mark.line, column: context.mark.column)
            message = "the object has the same key twice: " + keys.map { "\"\($0)\"" }.joined(separator: ", ")
        case .reader(let problem, _, _, _):
            message = "not JSON: " + problem
        default:
            break
        }
        return SeccompPolicyError(profile: profile, at: position, message)
    }

    var position: TextPosition {
        TextPosition(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }

    func error(_ message: String) -> SeccompPolicyError {
        SeccompPolicyError(profile: profile, at: position, message)
    }

    private func wrongType(_ wanted: String) -> SeccompPolicyError {
        let found =
            switch node {
            case .scalar(let scalar) where scalar.style == .doubleQuoted: "the string \"\(scalar.string)\""
            case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : scalar.string
            case .mapping: "an object"
            case .sequence: "an array"
            case .alias: "an alias"
            }
        return error("\(path.isEmpty ? "a profile" : path) must be \(wanted), not \(found)")
    }

    /// The members of an object; a key that isn't in `known` is refused at the key's own place.
    func members(known: [String]) throws(SeccompPolicyError) -> [String: ProfileValue] {
        guard case .mapping(let mapping) = node else { throw wrongType("an object") }
        var members: [String: ProfileValue] = [:]
        for (key, value) in mapping {
            let name = try ProfileValue(profile: profile, path: "a key", node: key).string()
            guard known.contains(name) else {
                let place = ProfileValue(profile: profile, path: name, node: key)
                throw place.error(
                    "unknown key \"\(name)\" in \(path.isEmpty ? "the profile" : path); known are "
                        + known.joined(separator: ", "))
            }
            members[name] = ProfileValue(
                profile: profile, path: path.isEmpty ? name : "\(path).\(name)", node: value)
        }
        return members
    }

    func elements() throws(SeccompPolicyError) -> [ProfileValue] {
        guard case .sequence(let sequence) = node else { throw wrongType("an array") }
        return sequence.enumerated().map { index, element in
            ProfileValue(profile: profile, path: "\(path)[\(index)]", node: element)
        }
    }

    func string() throws(SeccompPolicyError) -> String {
        guard case .scalar(let scalar) = node, scalar.style == .doubleQuoted else { throw wrongType("a string") }
        return scalar.string
    }

    func integer(in range: ClosedRange<UInt64>) throws(SeccompPolicyError) -> UInt64 {
        let wanted = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard case .scalar(let scalar) = node, scalar.style == .plain, let value = UInt64(scalar.string),
            String(value) == scalar.string, range.contains(value)
        else { throw wrongType(wanted) }
        return value
    }

    var isNull: Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.style == .plain && scalar.string == "null"
    }
}
