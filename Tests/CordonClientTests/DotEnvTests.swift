import CordonClient
import Testing

/// `SecretTests` holds the same parser against python-dotenv.
@Suite("The text of .env files")
struct DotEnvTests {
    @Test("names, quotes, escapes, comments and lines mean what python-dotenv takes them for")
    func forms() throws {
        let text = """
            # a comment
            A=1
              export B = two words   # comment
            C='single $A \\' \\n'
            D="double \\n \\t \\" \\x"  # comment
            E=
            F="over
            lines"
            'G'=quoted name
            H=a#b
            A=again
            I==x=
            """
        #expect(
            try DotEnv(text).variables == [
                "A": "again", "B": "two words", "C": "single $A ' \\n", "D": "double \n \t \" \\x", "E": "",
                "F": "over\nlines", "G": "quoted name", "H": "a#b", "I": "=x=",
            ])
        #expect(try DotEnv("A=1\r\nB=2\rC=3").variables == ["A": "1", "B": "2", "C": "3"])
        #expect(try DotEnv("\n \n#").variables.isEmpty)
    }

    @Test(
        "what isn't of that form is refused by its line, and not repeated",
        arguments: [
            ("A=1\nhunter2", 2), ("=hunter2", 1), ("A='hunter2", 1), ("A=1\n\nB=\"hunter2\" hunter2", 3),
            ("'hunter2=1", 1),
        ])
    func refused(_ text: String, _ line: Int) {
        do {
            _ = try DotEnv(text)
            Issue.record("read: \(text)")
        } catch {
            #expect(error.line == line)
            #expect(!"\(error)".contains("hunter2"))
        }
    }
}
