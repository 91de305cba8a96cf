/// A Dockerfile, read.
package struct Dockerfile: Sendable, Hashable {
    /// More instructions are refused.
    package static let maximumInstructions = 2000

    /// What `ARG` says before the first `FROM`; `FROM` lines see it.
    package let arguments: [Instruction]
    package let stages: [Stage]

    package struct Stage: Sendable, Hashable {
        /// An image, or an earlier stage.
        package let image: String
        package let name: String?
        package let line: Int
        package let text: String
        package var instructions: [Instruction] = []
    }

    package init(_ text: String) throws(DockerfileError) {
        var arguments: [Instruction] = []
        var stages: [Stage] = []
        let lines = try LogicalLine.all(of: text)
        guard lines.count <= Self.maximumInstructions else {
            throw DockerfileError(
                line: lines[Self.maximumInstructions].number, column: 1,
                message: "more than \(Self.maximumInstructions) instructions")
        }
        for line in lines {
            let instruction = try InstructionParser.parse(line)
            if case .from(let image, let name) = instruction.kind {
                guard name == nil || !stages.contains(where: { $0.name == name }) else {
                    throw DockerfileError(
                        line: line.number, column: line.column, message: "there is a stage \(name ?? "") already")
                }
                stages.append(Stage(image: image, name: name, line: line.number, text: line.text))
            } else if stages.isEmpty {
                guard case .argument = instruction.kind else {
                    throw DockerfileError(
                        line: line.number, column: line.column, message: "before FROM there is nothing but ARG")
                }
                arguments.append(instruction)
            } else {
                stages[stages.count - 1].instructions.append(instruction)
            }
        }
        guard !stages.isEmpty else { throw DockerfileError(line: 1, column: 1, message: "there is no FROM") }
        (self.arguments, self.stages) = (arguments, stages)
    }

    /// The stage of a name or a number, among those before `limit`.
    package func stage(_ name: String, before limit: Int) -> Int? {
        if let index = stages[..<limit].firstIndex(where: { $0.name == name.lowercased() }) { return index }
        guard let number = Int(name), stages[..<limit].indices.contains(number) else { return nil }
        return number
    }
}
