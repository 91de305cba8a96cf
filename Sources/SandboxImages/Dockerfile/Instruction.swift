import SandboxModel

/// One instruction of a Dockerfile (https://docs.docker.com/reference/dockerfile), as it stands there: variables are
/// put in when it is carried out.
package struct Instruction: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case from(image: String, stage: String?)
        case run(Command, input: Heredoc?)
        case copy(CopyInstruction)
        case environment([Pair])
        case argument([Argument])
        case workdir(String)
        case user(String)
        case shell([String])
        case entrypoint(Command)
        case command(Command)
        case label([Pair])
        case expose([String])
    }

    package let kind: Kind
    package let line: Int
    /// For people, and for what a step's result is known by.
    package let text: String

    /// What is run: by the shell, or as it is.
    package enum Command: Sendable, Hashable {
        case shell(String)
        case exec([String])
    }

    package struct Pair: Sendable, Hashable {
        package let name: String
        package let value: String

        package init(name: String, value: String) { (self.name, self.value) = (name, value) }
    }

    package struct Argument: Sendable, Hashable {
        package let name: String
        /// nil for none.
        package let value: String?

        package init(name: String, value: String?) { (self.name, self.value) = (name, value) }
    }

    /// Text that stands in the Dockerfile (`<<EOF`).
    package struct Heredoc: Sendable, Hashable {
        package let name: String
        package let content: String
        /// Whether variables are put in: not when the word behind `<<` has quotes.
        package let expands: Bool

        package init(name: String, content: String, expands: Bool) {
            (self.name, self.content, self.expands) = (name, content, expands)
        }
    }
}

/// `COPY` or `ADD`.
package struct CopyInstruction: Sendable, Hashable {
    package var sources: [String]
    package var heredocs: [Instruction.Heredoc]
    package var destination: String
    /// A stage or an image, in place of the context.
    package var from: String?
    package var owner: String?
    /// In octal.
    package var mode: UInt32?
    /// Whether archives of the context are unpacked: `ADD`.
    package var unpacksArchives: Bool

    package init(
        sources: [String] = [], heredocs: [Instruction.Heredoc] = [], destination: String = "", from: String? = nil,
        owner: String? = nil, mode: UInt32? = nil, unpacksArchives: Bool = false
    ) {
        self.sources = sources
        self.heredocs = heredocs
        self.destination = destination
        self.from = from
        self.owner = owner
        self.mode = mode
        self.unpacksArchives = unpacksArchives
    }
}
