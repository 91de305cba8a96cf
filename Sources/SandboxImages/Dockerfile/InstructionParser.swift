import CordonAPI
import SandboxModel

/// Reads one line of a Dockerfile.
package struct InstructionParser {
    private let line: LogicalLine
    private let name: String
    /// What stands behind the name, and behind the flags once they are read.
    private var rest: String

    package static func parse(_ line: LogicalLine) throws(DockerfileError) -> Instruction {
        var parser = InstructionParser(line)
        return Instruction(kind: try parser.kind(), line: line.number, text: line.text)
    }

    private init(_ line: LogicalLine) {
        self.line = line
        let word = line.text.prefix { !$0.isWhitespace }
        name = word.uppercased()
        rest = String(line.text.dropFirst(word.count).drop { $0.isWhitespace })
        while rest.last?.isWhitespace == true { rest.removeLast() }
    }

    private func wrong(_ message: String) -> DockerfileError {
        DockerfileError(line: line.number, column: line.column, message: message)
    }

    private mutating func kind() throws(DockerfileError) -> Instruction.Kind {
        switch name {
        case "FROM": return try from()
        case "RUN": return try run()
        case "COPY", "ADD": return .copy(try copy())
        case "ENV": return .environment(try pairs())
        case "LABEL": return .label(try pairs())
        case "ARG": return .argument(try arguments())
        case "WORKDIR": return .workdir(try one("a directory"))
        case "USER": return .user(try one("a user"))
        case "EXPOSE":
            try requireRest("ports")
            return .expose(WordSplitting.words(rest))
        case "SHELL":
            guard let words = jsonWords(), !words.isEmpty else { throw wrong("SHELL takes a JSON array of strings") }
            return .shell(words)
        case "ENTRYPOINT": return .entrypoint(try command(mayBeEmpty: true))
        case "CMD": return .command(try command(mayBeEmpty: true))
        case "HEALTHCHECK", "VOLUME", "STOPSIGNAL", "ONBUILD", "MAINTAINER":
            throw wrong("\(name) isn't served")
        default: throw wrong("\(name.prefix(32)) is no instruction")
        }
    }

    private func requireRest(_ what: String) throws(DockerfileError) {
        guard !rest.isEmpty else { throw wrong("\(name) needs \(what)") }
    }

    private func one(_ what: String) throws(DockerfileError) -> String {
        try requireRest(what)
        return rest
    }

    // MARK: Forms

    /// The words of a JSON array of strings; nil for anything else, which then is the shell's.
    private func jsonWords() -> [String]? {
        guard rest.hasPrefix("["), case .array(let values)? = try? JSONParser.parse(Array(rest.utf8)) else {
            return nil
        }
        var words: [String] = []
        for value in values {
            guard case .string(let text) = value else { return nil }
            words.append(text)
        }
        return words
    }

    private func command(mayBeEmpty: Bool) throws(DockerfileError) -> Instruction.Command {
        if let words = jsonWords(), mayBeEmpty || !words.isEmpty { return .exec(words) }
        try requireRest("a command")
        return .shell(rest)
    }

    /// Takes the flags at the start: `--name=value` or `--name`.
    private mutating func flags(_ known: [String]) throws(DockerfileError) -> [String: String] {
        var flags: [String: String] = [:]
        while rest.hasPrefix("--") {
            let word = rest.prefix { !$0.isWhitespace }
            let halves = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let flag = String(halves.first ?? "")
            guard known.contains(flag) else {
                let served = known.isEmpty ? "none" : known.map { "--\($0)" }.joined(separator: ", ")
                throw wrong("\(name) with --\(flag.prefix(32)) isn't served; its flags here: \(served)")
            }
            guard flags.updateValue(halves.count > 1 ? String(halves[1]) : "true", forKey: flag) == nil else {
                throw wrong("--\(flag) stands twice")
            }
            rest = String(rest.dropFirst(word.count).drop { $0.isWhitespace })
        }
        return flags
    }

    // MARK: Instructions

    private mutating func from() throws(DockerfileError) -> Instruction.Kind {
        _ = try flags([])
        let words = WordSplitting.words(rest)
        switch words.count {
        case 1: return .from(image: words[0], stage: nil)
        case 3 where words[1].uppercased() == "AS":
            let stage = words[2].lowercased()
            guard let first = stage.first, first.isASCII, first.isLetter,
                stage.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) })
            else { throw wrong("a stage's name starts with a letter and has letters, digits, _ . and -") }
            return .from(image: words[0], stage: stage)
        default: throw wrong("FROM takes an image, and perhaps AS and a name")
        }
    }

    private mutating func run() throws(DockerfileError) -> Instruction.Kind {
        _ = try flags([])
        guard line.heredocs.count <= 1 else { throw wrong("RUN takes one <<, not \(line.heredocs.count)") }
        guard let heredoc = line.heredocs.first else { return .run(try command(mayBeEmpty: false), input: nil) }
        // Alone, the text is the program; behind a command, its input.
        let words = WordSplitting.words(rest).filter { !$0.hasPrefix("<<") }
        guard !words.isEmpty else { return .run(.shell(heredoc.content), input: nil) }
        return .run(.shell(words.joined(separator: " ")), input: heredoc)
    }

    private mutating func copy() throws(DockerfileError) -> CopyInstruction {
        // --link says how, and not what.
        let flags = try flags(name == "COPY" ? ["from", "chown", "chmod", "link"] : ["chown", "chmod", "link"])
        var copy = CopyInstruction()
        var words = jsonWords() ?? WordSplitting.words(rest).filter { !$0.hasPrefix("<<") }
        guard let destination = words.popLast(), !words.isEmpty || !line.heredocs.isEmpty else {
            throw wrong("\(name) needs what to copy, and where to")
        }
        copy.sources = words
        copy.destination = destination
        copy.heredocs = line.heredocs
        copy.from = flags["from"]
        copy.owner = flags["chown"]
        copy.unpacksArchives = name == "ADD"
        if let text = flags["chmod"] {
            guard let mode = UInt32(text, radix: 8), mode <= 0o7777 else {
                throw wrong("--chmod takes permissions in octal, such as 0755")
            }
            copy.mode = mode
        }
        for source in words where source.contains("://") || source.hasPrefix("git@") {
            throw wrong("\(name) from \(source.prefix(100)) isn't served: fetch it with RUN")
        }
        return copy
    }

    private func pairs() throws(DockerfileError) -> [Instruction.Pair] {
        try requireRest("names and values")
        let words = WordSplitting.words(rest)
        // The old form: one name, and all that follows is its value.
        if !words[0].contains("="), words.count > 1 {
            let value = rest.dropFirst(words[0].count).drop { $0.isWhitespace }
            return [Instruction.Pair(name: words[0], value: String(value))]
        }
        var pairs: [Instruction.Pair] = []
        for word in words {
            guard let equals = word.firstIndex(of: "="), equals != word.startIndex else {
                throw wrong("\(word.prefix(64)) isn't NAME=VALUE")
            }
            pairs.append(
                Instruction.Pair(name: String(word[..<equals]), value: String(word[word.index(after: equals)...])))
        }
        return pairs
    }

    private func arguments() throws(DockerfileError) -> [Instruction.Argument] {
        try requireRest("a name")
        var found: [Instruction.Argument] = []
        for word in WordSplitting.words(rest) {
            let halves = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard (try? Environment([String(halves[0]): ""])) != nil else {
                throw wrong("\(word.prefix(64)) is no name of a variable")
            }
            found.append(
                Instruction.Argument(name: String(halves[0]), value: halves.count > 1 ? String(halves[1]) : nil))
        }
        return found
    }
}
