import CordonAPI
import SandboxModel

/// How the code of a language is run: as a file, so that errors name it and line by line.
private enum Language: String, CaseIterable {
    case python
    case javascript
    case bash

    var fileName: String {
        switch self {
        case .python: "main.py"
        case .javascript: "main.js"
        case .bash: "main.sh"
        }
    }

    /// What runs it. Python's output isn't held back: what a program said before it was killed is there.
    var interpreter: [String] {
        switch self {
        case .python: ["python3", "-u"]
        case .javascript: ["node"]
        case .bash: ["bash"]
        }
    }
}

extension RunSpec {
    /// Where a program starts unless the request says otherwise.
    static let defaultWorkdir = "/tmp/work"

    /// The run that a `RunRequest`'s body asks for.
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<RunRequest.CodingKeys>(json)
        let directory = try fields.string(.workdir) ?? Self.defaultWorkdir
        let workdir = try FilePath(directory, field: "workdir")
        guard !directory.pathNames.contains("..") else {
            throw .invalid(field: "workdir", value: directory, rule: "without \"..\"")
        }
        let (command, code) = try Self.program(fields, in: workdir)
        var program = ExecSpec(id: .run, command: command, workdir: workdir.text)
        if let variables = try fields.pairs(.env) { program.environment = try Environment(variables) }
        if let user = try fields.string(.user) { program.user = try UserRule.checked(user) }
        program.timeout =
            try fields.duration(.timeoutSeconds, upTo: ExecOrderRequest.maximumTimeout) ?? SandboxSpec.defaultTimeout
        let stdin = try StdinFields.bytes(try fields.string(.stdin), try fields.string(.stdinBase64))
        program.stdin = stdin != nil
        self.init(
            sandbox: try SandboxSpec(json: try Self.ofSandbox(json)), program: program, workdir: workdir,
            files: try Self.files(fields, in: workdir, with: code), outputs: try Self.outputs(fields, in: workdir),
            stdin: stdin, isDetached: try fields.bool(.detach) ?? false)
        guard !isDetached || outputs.isEmpty else {
            throw .invalid(
                field: "output_files", value: nil, rule: "not with \"detach\": nobody waits for them")
        }
    }

    /// The fields that say the same as when a sandbox is created.
    private static func ofSandbox(_ json: JSONValue) throws(CordonError) -> JSONValue {
        guard case .object(let members) = json else { return .object([:]) }
        return .object(members.filter { RunRequest.CodingKeys(rawValue: $0.key)?.isOfSandbox ?? false })
    }

    private static func program(
        _ fields: FieldReader<RunRequest.CodingKeys>, in workdir: FilePath
    ) throws(CordonError) -> (CommandSpec, RunFile?) {
        let argv = try fields.strings(.argv)
        let code = try fields.string(.code)
        guard let language = try fields.choice(.language, of: Language.self) else {
            guard code == nil else { throw .invalid(field: "code", value: nil, rule: "only with \"language\"") }
            guard let argv else {
                throw .invalid(field: "language", value: nil, rule: "either language and code, or argv")
            }
            return (try CommandSpec(argv: argv), nil)
        }
        guard argv == nil else { throw .invalid(field: "argv", value: nil, rule: "not together with \"language\"") }
        guard let code else { throw .invalid(field: "code", value: nil, rule: "a program in the language, as text") }
        let path = try FilePath(language.fileName, below: workdir.text, field: "workdir")
        return (
            try CommandSpec(argv: language.interpreter + [path.text]),
            RunFile(path: path, content: Array(code.utf8), mode: nil, field: "code")
        )
    }

    private static func files(
        _ fields: FieldReader<RunRequest.CodingKeys>, in workdir: FilePath, with code: RunFile?
    ) throws(CordonError) -> [RunFile] {
        var files = code.map { [$0] } ?? []
        guard let value = fields.value(.files) else { return files }
        guard case .array(let values) = value else {
            throw .invalid(field: "files", value: nil, rule: "an array of objects, not \(value.kind)")
        }
        guard values.count <= maximumFiles else {
            throw .invalid(field: "files", value: "\(values.count) files", rule: "at most \(maximumFiles)")
        }
        var paths = Set(files.map(\.path))
        for (index, value) in values.enumerated() {
            let file = try file(value, "files[\(index)]", in: workdir)
            guard paths.insert(file.path).inserted else {
                throw .invalid(field: file.field, value: file.path.text, rule: "each path once")
            }
            files.append(file)
        }
        return files
    }

    private static func file(_ json: JSONValue, _ name: String, in workdir: FilePath) throws(CordonError) -> RunFile {
        let fields = try FieldReader<RunFileRequest.CodingKeys>(json, path: name)
        guard let path = try fields.string(.path) else {
            throw .invalid(field: fields.field(.path), value: nil, rule: "a file's path")
        }
        let content: [UInt8]
        switch (try fields.string(.content), try fields.string(.contentBase64)) {
        case (let text?, nil): content = Array(text.utf8)
        case (nil, let text?):
            guard let bytes = Base64.decode(text) else {
                throw .invalid(field: fields.field(.contentBase64), value: nil, rule: "standard base64, padded")
            }
            content = bytes
        default:
            throw .invalid(field: fields.field(.content), value: nil, rule: "either content or content_base64")
        }
        return RunFile(
            path: try FilePath(path, below: workdir.text, field: fields.field(.path)), content: content,
            mode: try FileModeText.mode(try fields.string(.mode), field: fields.field(.mode)),
            field: fields.field(.path))
    }

    private static func outputs(
        _ fields: FieldReader<RunRequest.CodingKeys>, in workdir: FilePath
    ) throws(CordonError) -> [FilePath] {
        let texts = try fields.strings(.outputFiles) ?? []
        guard texts.count <= maximumOutputs else {
            throw .invalid(field: "output_files", value: "\(texts.count) files", rule: "at most \(maximumOutputs)")
        }
        var paths: [FilePath] = []
        for (index, text) in texts.enumerated() {
            paths.append(try FilePath(text, below: workdir.text, field: "output_files[\(index)]"))
        }
        return paths
    }
}

/// Permissions as people write them.
enum FileModeText {
    /// Throws `invalidArgument` unless the text is octal digits up to 7777.
    static func mode(_ text: String?, field: String) throws(CordonError) -> UInt32? {
        guard let text else { return nil }
        guard (1...5).contains(text.utf8.count), let mode = UInt32(text, radix: 8), mode <= 0o7777,
            text.utf8.allSatisfy({ (48...55).contains($0) })
        else { throw .invalid(field: field, value: text, rule: "permissions in octal, such as \"0644\"") }
        return mode
    }

    static func text(_ mode: UInt32) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}
