import ArgumentParser
import CordonAPI
import CordonClient
import Foundation
import LinuxSystem
import NIOCore

struct Edit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Edits a sandbox's file with an editor of ours.",
        discussion: """
            The editor is $VISUAL, $EDITOR, or vi. The file is replaced at once when it was changed, and when nobody \
            changed it inside meanwhile; what couldn't be written is kept here.
            """)

    @OptionGroup var service: ServiceOptions
    @Option(help: "The user inside; root without.") var user: String?
    @Argument(help: ArgumentHelp("The file.", valueName: "sandbox:/path")) var file: CopyEnd

    /// What an editor is bothered with, in bytes.
    private static let most: UInt64 = 64 << 20

    func validate() throws {
        guard case .sandbox = file else { throw ValidationError("a file in a sandbox: SANDBOX:/path") }
    }

    func run() async throws {
        guard case .sandbox(let sandbox, let path) = file else { return }
        let client = try service.client()
        try await reporting {
            let files = client.files(of: try await client.identify(sandbox), as: user)
            let before = try await files.find(path)
            if let before, before.kind != "file" || before.sizeBytes > Self.most {
                throw CopyRefused("\(path): no file of at most \(Self.most >> 20) MiB")
            }
            var content = ByteBuffer()
            if before != nil { try await files.read(path) { content.writeImmutableBuffer($0) } }
            let draft = try Draft(content, named: URL(fileURLWithPath: path).lastPathComponent)
            try draft.edit()
            let edited = try draft.content()
            guard edited != Array(content.readableBytesView) else {
                draft.remove()
                return say("nothing was changed")
            }
            do {
                guard try await files.find(path) == before else { throw CopyRefused("\(path): changed meanwhile") }
                _ = try await files.write(path, mode: nil, length: UInt64(edited.count), OnePiece(bytes: edited))
            } catch {
                say("what you wrote is in \(draft.path)")
                throw error
            }
            draft.remove()
        }
    }
}

/// A body that is there at once.
struct OnePiece: AsyncSequence, Sendable {
    typealias Failure = any Error
    let bytes: [UInt8]

    func makeAsyncIterator() -> Iterator { Iterator(rest: bytes.isEmpty ? nil : bytes) }

    struct Iterator: AsyncIteratorProtocol {
        var rest: [UInt8]?

        mutating func next() async throws -> [UInt8]? {
            defer { rest = nil }
            return rest
        }
    }
}

/// A file of ours that nobody else reads, for as long as it is edited.
private struct Draft {
    private let directory: String
    let path: String

    init(_ content: ByteBuffer, named name: String) throws {
        var template = Array((NSTemporaryDirectory() + "/cordon-edit-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw LocalFailure("mkdtemp", errno) }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // A name of the sandbox's choice begins with no dash and has no slash.
        path = directory + "/" + name
        guard FileManager.default.createFile(atPath: path, contents: Data(content.readableBytesView)) else {
            throw CopyRefused("\(path): can't be written")
        }
    }

    /// Runs the editor on our terminal; throws when it failed.
    func edit() throws {
        let environment = ProcessInfo.processInfo.environment
        let editor = environment["VISUAL"] ?? environment["EDITOR"] ?? "vi"
        // As git(1) does it: the variable may hold options, the file's name is no part of the command.
        let arguments = ["/bin/sh", "-c", "\(editor) \"$1\"", "sh", path]
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid = pid_t()
        let failure = posix_spawn(&pid, "/bin/sh", nil, nil, &pointers, environ)
        guard failure == 0 else { throw LocalFailure("posix_spawn", failure) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        guard status == 0 else { throw CopyRefused("the editor failed; what you wrote is in \(path)") }
    }

    func content() throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else { throw CopyRefused("\(path): it is gone") }
        return Array(data)
    }

    func remove() { try? FileManager.default.removeItem(atPath: directory) }
}
