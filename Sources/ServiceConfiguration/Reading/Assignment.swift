/// What one source says of one option.
struct Assignment: Sendable {
    let option: ServiceOption
    let texts: [String]
    let origin: Origin
}

/// What a source says, and what of it can't be understood.
struct SourceReading: Sendable {
    var assignments: [Assignment] = []
    var problems: [ConfigurationProblem] = []

    mutating func assign(_ option: ServiceOption, _ text: String, from origin: Origin) {
        let texts = option.isList ? text.split(separator: ",").map(String.init) : [text]
        assignments.append(Assignment(option: option, texts: texts, origin: origin))
    }
}
