/// Options among a command's arguments: `--name value` or `--name=value`; the last of several holds, and lists grow.
enum FlagSource {
    static func read(_ arguments: [String]) -> SourceReading {
        var reading = SourceReading()
        var texts: [String: [String]] = [:]
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--"), argument != "--" else {
                reading.problems.append(ConfigurationProblem(.flag(argument), "is neither an option nor a command"))
                continue
            }
            let halves = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let flag = String(halves[0])
            guard let option = OptionTable.byFlag[flag] else {
                reading.problems.append(
                    .unknown(flag, called: "option", among: OptionTable.byFlag.keys, at: .flag(flag)))
                // What follows is the value of whatever was meant.
                if halves.count == 1, rest.first?.hasPrefix("--") == false { rest.removeFirst() }
                continue
            }
            let text: String
            if halves.count == 2 {
                text = String(halves[1])
            } else if option.isSwitch {
                text = "true"
            } else if let next = rest.first, !next.hasPrefix("--") {
                text = rest.removeFirst()
            } else {
                reading.problems.append(ConfigurationProblem(.flag(flag), "takes a value: \(option.rule)"))
                continue
            }
            texts[flag] = option.isList ? (texts[flag] ?? []) + [text] : [text]
        }
        for option in OptionTable.all {
            guard let given = texts[option.flag] else { continue }
            reading.assign(option, given.joined(separator: ","), from: .flag(option.flag))
        }
        return reading
    }
}
