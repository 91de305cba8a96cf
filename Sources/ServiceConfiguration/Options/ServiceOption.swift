/// One option: the one source of its flag, variable, key, range, default and help.
public struct ServiceOption: Sendable {
    /// In snake_case; the key in the file.
    public let name: String
    public let help: String
    /// What holds when nobody says anything.
    public let defaultText: String
    /// What a value has to be.
    public let rule: String
    /// Whether it takes any number of values: in the file a list, elsewhere separated by commas.
    public let isList: Bool
    /// Whether its flag may stand alone, and then means true.
    public let isSwitch: Bool

    public var flag: String { "--" + name.map { $0 == "_" ? "-" : String($0) }.joined() }
    public var variable: String { "CORDON_" + name.uppercased() }

    /// Sets the value that the texts spell; false, and nothing is set, where they spell none.
    let assign: @Sendable (inout ServiceConfiguration, [String]) -> Bool
    let value: @Sendable (ServiceConfiguration) -> OptionValue

    /// - Parameter unset: what is the case without a value, where the default is none.
    init<Value>(
        _ name: String, _ place: WritableKeyPath<ServiceConfiguration, Value> & Sendable, _ kind: OptionKind<Value>,
        unset: String = "", _ help: String
    ) {
        self.name = name
        self.help = help
        rule = kind.rule
        isList = kind.isList
        isSwitch = kind.isSwitch
        assign = { configuration, texts in
            guard kind.isList || texts.count == 1, let value = kind.parse(texts) else { return false }
            configuration[keyPath: place] = value
            return true
        }
        value = { kind.show($0[keyPath: place]) }
        let standard = kind.show(ServiceConfiguration()[keyPath: place]).description
        defaultText = standard.isEmpty ? unset : standard
    }
}
