import Foundation
import Yams

/// Options in a YAML file: one mapping from names to values.
enum FileSource {
    /// Read when nobody names another, and it exists.
    static let standardPath = "/etc/cordon/cordond.yaml"
    private static let maximumBytes = 256 * 1024

    static func read(_ path: String) -> SourceReading {
        var reading = SourceReading()
        func refuse(_ message: String, line: Int? = nil) {
            reading.problems.append(ConfigurationProblem(.file(path, line: line), message))
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            refuse("there is no such file, or it can't be read")
            return reading
        }
        guard data.count <= maximumBytes, let text = String(data: data, encoding: .utf8) else {
            refuse("is not a text in UTF-8 of at most \(maximumBytes) bytes")
            return reading
        }
        do {
            guard let root = try Yams.compose(yaml: text) else { return reading }
            guard let mapping = root.mapping else {
                // A file of comments alone is an empty document.
                if root.scalar?.string.isEmpty != true {
                    refuse("is not a mapping from options to values", line: root.mark?.line)
                }
                return reading
            }
            for (key, value) in mapping { add(key, value, path, to: &reading) }
        } catch YamlError.duplicatedKeysInMapping(let duplicates, let context) {
            refuse("says more than once: \(duplicates.joined(separator: ", "))", line: context.mark.line)
        } catch YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _)
        {
            refuse("isn't YAML: \(problem)", line: mark.line)
        } catch { refuse("isn't YAML") }
        return reading
    }

    private static func add(_ key: Node, _ value: Node, _ path: String, to reading: inout SourceReading) {
        let name = key.scalar?.string ?? "that isn't a text"
        let origin = Origin.file(path, line: key.mark?.line)
        guard let option = OptionTable.byName[name] else {
            reading.problems.append(.unknown(name, called: "option", among: OptionTable.byName.keys, at: origin))
            return
        }
        if option.isList, let sequence = value.sequence {
            let texts = sequence.compactMap { $0.scalar?.string }
            if texts.count == sequence.count {
                reading.assignments.append(Assignment(option: option, texts: texts, origin: origin))
                return
            }
        } else if let scalar = value.scalar, value.null == nil {
            reading.assign(option, scalar.string, from: origin)
            return
        }
        reading.problems.append(
            ConfigurationProblem(origin, "\(name) takes \(option.isList ? "a list: each " : "")\(option.rule)"))
    }
}
