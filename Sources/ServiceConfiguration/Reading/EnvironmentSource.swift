import CordonAPI

/// Options among the environment's variables: `CORDON_` and the option's name in capitals.
enum EnvironmentSource {
    /// Names the configuration's file.
    static let fileVariable = "CORDON_CONFIG"
    /// Holds keys; no option, since an option's value may be printed.
    static let keysVariable = "CORDON_SECRET_KEYS"

    static func read(_ environment: [String: String]) -> SourceReading {
        var reading = SourceReading()
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("CORDON_") {
            if let option = OptionTable.byVariable[name] {
                reading.assign(option, text, from: .variable(name))
            } else if name != fileVariable, name != keysVariable, !ClientVariables.all.contains(name) {
                reading.problems.append(
                    .unknown(name, called: "option", among: OptionTable.byVariable.keys, at: .variable(name)))
            }
        }
        return reading
    }
}
