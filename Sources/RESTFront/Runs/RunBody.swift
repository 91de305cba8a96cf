import CordonAPI
import HummingbirdCore
import NIOCore
import SandboxModel

/// A run's result as JSON (`RunResult`), written piece by piece.
struct RunBody: Sendable {
    let started: RunStarted
    let result: EndResult
    /// None where they were sent already.
    let outputs: [CompletedBody.Output]
    let files: [RunOutput]
    let timings: RunTimings

    /// Bytes that are encoded at once; a multiple of three, for base64.
    private static let step = 192 * 1024

    /// How much of what the program made is in it.
    var shownBytes: UInt64 {
        outputs.reduce(0) { $0 + $1.shownBytes }
            + files.reduce(0) { sum, file in
                if case .success(let content) = file.result { sum + UInt64(content.bytes.count) } else { sum }
            }
    }

    func write(to writer: inout any ResponseBodyWriter) async throws {
        var head = Array("{\"sandbox_id\":\"\(started.sandboxID)\",\"exec_id\":\"\(started.execID)\",\"result\":".utf8)
        head += try JSONText.encode(result)
        if let code = result.exitCode { head += Array(",\"exit_code\":\(code)".utf8) }
        try await writer.write(ByteBuffer(bytes: head))
        for output in outputs { try await output.write(to: &writer) }
        try await writer.write(ByteBuffer(string: ",\"output_files\":["))
        for (index, file) in files.enumerated() {
            if index > 0 { try await writer.write(ByteBuffer(string: ",")) }
            try await write(file, to: &writer)
        }
        var tail = Array("],\"timings\":".utf8)
        tail += try JSONText.encode(timings) + [UInt8(ascii: "}")]
        try await writer.write(ByteBuffer(bytes: tail))
    }

    private func write(_ file: RunOutput, to writer: inout any ResponseBodyWriter) async throws {
        var shown = RunOutputFile(path: file.path.text)
        switch file.result {
        case .failure(let error):
            shown.error = FileErrorBody(
                code: error.code.rawValue, reason: error.detail["reason"], detail: error.message)
            try await writer.write(ByteBuffer(bytes: try JSONText.encode(shown)))
        case .success(let content):
            shown.sizeBytes = content.bytes.count
            shown.mode = FileModeText.text(content.attributes.mode)
            // The object without its brace; its content follows.
            try await writer.write(ByteBuffer(bytes: try JSONText.encode(shown).dropLast()))
            var measure = TextMeasure()
            measure.take(content.bytes)
            let name = measure.isComplete ? "content" : "content_base64"
            try await writer.write(ByteBuffer(string: ",\"\(name)\":\""))
            var rest = content.bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Self.step)
                rest = rest.dropFirst(Self.step)
                var text: [UInt8] = []
                if measure.isComplete {
                    JSONText.appendEscaped(piece, to: &text)
                } else {
                    text = Base64.encode(piece)
                }
                try await writer.write(ByteBuffer(bytes: text))
            }
            try await writer.write(ByteBuffer(string: "\"}"))
        }
    }
}
