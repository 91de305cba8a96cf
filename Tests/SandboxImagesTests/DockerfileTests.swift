import SandboxImages
import Testing

@Suite("Dockerfiles")
struct DockerfileTests {
    private func instructions(_ text: String) throws -> [Instruction.Kind] {
        try Dockerfile("FROM x\n" + text).stages[0].instructions.map(\.kind)
    }

    @Test("lines go on behind a backslash, over comments and blank lines")
    func continued() throws {
        #expect(
            try instructions("RUN a \\\n  # not this\n\n  b \\\r\n c\nUSER u") == [
                .run(.shell("a   b  c"), input: nil), .user("u"),
            ])
    }

    @Test("RUN has a shell form, an exec form, and takes a text from below")
    func run() throws {
        #expect(try instructions(#"RUN ["a", "b c"]"#) == [.run(.exec(["a", "b c"]), input: nil)])
        #expect(try instructions("RUN [ -f x ]") == [.run(.shell("[ -f x ]"), input: nil)])
        #expect(
            try instructions("RUN <<EOF\necho a\n# kept\n  b\nEOF\nUSER u") == [
                .run(.shell("echo a\n# kept\n  b\n"), input: nil), .user("u"),
            ])
        #expect(
            try instructions("RUN python3 <<-'EOF'\n\tprint(1)\n\tEOF\n") == [
                .run(.shell("python3"), input: .init(name: "EOF", content: "print(1)\n", expands: false))
            ])
    }

    @Test("COPY takes flags, several sources, JSON and texts from below")
    func copy() throws {
        var wanted = CopyInstruction()
        wanted.sources = ["a", "b"]
        wanted.destination = "/d/"
        wanted.from = "base"
        wanted.owner = "1:2"
        wanted.mode = 0o755
        #expect(try instructions("COPY --from=base --chown=1:2 --chmod=755 a b /d/") == [.copy(wanted)])
        var json = CopyInstruction()
        json.sources = ["a b"]
        json.destination = "/c"
        #expect(try instructions(#"COPY ["a b", "/c"]"#) == [.copy(json)])
        var text = CopyInstruction()
        text.heredocs = [.init(name: "f", content: "x\n", expands: true)]
        text.destination = "/t"
        #expect(try instructions("COPY <<f /t\nx\nf") == [.copy(text)])
    }

    @Test("ENV and LABEL have pairs, and the old form of one")
    func pairs() throws {
        #expect(
            try instructions(#"ENV A=1 B="x y" C=$A"#) == [
                .environment([
                    .init(name: "A", value: "1"), .init(name: "B", value: #""x y""#), .init(name: "C", value: "$A"),
                ])
            ])
        #expect(try instructions("ENV A b  c") == [.environment([.init(name: "A", value: "b  c")])])
        #expect(try instructions("LABEL a.b=c") == [.label([.init(name: "a.b", value: "c")])])
        #expect(
            try instructions("ARG A B=c") == [.argument([.init(name: "A", value: nil), .init(name: "B", value: "c")])])
    }

    @Test("stages are found by name and number, before where they are asked for")
    func stages() throws {
        let file = try Dockerfile("ARG V=1\nFROM a:$V AS One\nFROM b as two\nRUN x")
        #expect(file.arguments.count == 1 && file.stages.map(\.name) == ["one", "two"])
        #expect(file.stage("ONE", before: 1) == 0 && file.stage("0", before: 1) == 0)
        #expect(file.stage("two", before: 1) == nil && file.stage("9", before: 2) == nil)
    }

    @Test(
        "what isn't served is refused with its place",
        arguments: [
            ("FROM x\n  VOLUME /v", 2, 3), ("RUN x", 1, 1), ("", 1, 1), ("FROM x\nFOO", 2, 1),
            ("FROM x\nRUN --mount=type=cache x", 2, 1), ("FROM x\nCOPY a", 2, 1), ("FROM x\n\nRUN <<EOF\nx", 3, 1),
            ("FROM x AS 1", 1, 1), ("FROM --platform=linux/arm64 x", 1, 1), ("# escape=`\nFROM x", 1, 1),
            ("FROM x AS a\nFROM y AS a", 2, 1), ("FROM x\nADD http://e.example/f /", 2, 1),
            ("FROM x\nSHELL sh -c", 2, 1), ("FROM x\nCOPY --chmod=9 a b", 2, 1), ("FROM x\nENV =a", 2, 1),
        ])
    func refused(text: String, line: Int, column: Int) throws {
        let error = try #require(throws: DockerfileError.self) { try Dockerfile(text) }
        #expect(error.line == line && error.column == column, "\(error.message)")
    }

    @Test(
        "variables are put in as Docker does",
        arguments: [
            ("$A", "1"), ("${A}x", "1x"), ("${B:-y}", "y"), ("${E:-y}", "y"), ("${E-y}", ""), ("${A:+z}", "z"),
            ("${B:+z}", ""), ("${B:-${A}}", "1"), ("\\$A", "$A"), ("'$A'", "$A"), ("\"$A b\"", "1 b"), ("a\\ b", "a b"),
            ("$", "$"), ("$1", "$1"), ("\"a\\n\"", "a\\n"), ("${B:-}", ""),
        ])
    func expansion(word: String, value: String) throws {
        let expansion = WordExpansion { ["A": "1", "E": ""][$0] }
        #expect(try expansion.expand(word) == value)
    }

    @Test("braces in braces are served to a depth, and no deeper: whoever nests them has no stack of ours to fill")
    func nested() throws {
        func word(_ depth: Int) -> String {
            String(repeating: "${a:-", count: depth) + "x" + String(repeating: "}", count: depth)
        }
        let expansion = WordExpansion { _ in nil }
        #expect(try expansion.expand(word(WordExpansion.maximumDepth)) == "x")
        for depth in [WordExpansion.maximumDepth + 1, 80_000] {
            #expect(throws: WordExpansion.Malformed.self) { try expansion.expand(word(depth)) }
        }
    }

    @Test("what variables stand for in one instruction has a bound")
    func doubling() throws {
        let value = String(repeating: "v", count: ExpansionRoom.maximumBytes / 2)
        let expansion = WordExpansion { _ in value }
        #expect(try expansion.expand("$A$A").utf8.count == ExpansionRoom.maximumBytes)
        #expect(throws: WordExpansion.Malformed.self) { try expansion.expand("$A") }
    }

    @Test("a broken variable is refused", arguments: ["${A", "${}", "${A%x}", "${B:?no}"])
    func brokenVariable(word: String) {
        #expect(throws: WordExpansion.Malformed.self) { try WordExpansion { _ in nil }.expand(word) }
    }
}
