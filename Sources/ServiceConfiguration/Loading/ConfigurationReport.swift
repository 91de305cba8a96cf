import Foundation

/// The configuration as `cordond config print` shows it.
///
/// No option holds a secret: those that need one name a file.
extension LoadedConfiguration {
    /// A line for each option: its name, value and origin.
    public var table: String {
        let rows = OptionTable.all.map { option in
            let value = option.value(values).description
            return [
                option.name, value.isEmpty ? "(\(option.defaultText))" : value, origin(of: option.name).description,
            ]
        }
        let widths = (0..<2).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths + [0]).map { $0.padding(toLength: max($0.count, $1), withPad: " ", startingAt: 0) }
                .joined(separator: "  ")
        }.joined(separator: "\n")
    }

    private struct Entry: Encodable {
        let value: OptionValue
        let origin: String
    }

    /// An object with the value and the origin of each option.
    public var json: String {
        get throws {
            let entries = OptionTable.all.map {
                ($0.name, Entry(value: $0.value(values), origin: origin(of: $0.name).description))
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(Dictionary(uniqueKeysWithValues: entries)), as: UTF8.self)
        }
    }
}

extension OptionTable {
    /// Every option for `--help`.
    public static var help: String {
        groups.map { group in
            let lines = group.options.map { option in
                "  \(option.flag)\(option.isSwitch ? "" : " <value>")\n"
                    + "      \(option.help) Default: \(option.defaultText)."
            }
            return ([group.title.uppercased() + ":"] + lines).joined(separator: "\n")
        }.joined(separator: "\n\n")
    }

    /// Every option for the documentation, a table for each group.
    public static var markdown: String {
        groups.map { group in
            let rows = group.options.map { option in
                "| `\(option.name)` | \(option.defaultText) | \(option.isList ? "a list: each " : "")\(option.rule) | "
                    + "\(option.help) |"
            }
            return (["## \(group.title)", "", "| Option | Default | Values | |", "|---|---|---|---|"] + rows)
                .joined(separator: "\n")
        }.joined(separator: "\n\n")
    }
}
