import FoundationEssentials
import FrontConnections
import SandboxModel

/// Runs the file program's orders by file agents inside of their sandboxes.
struct FileProgram {
    private static let pieceBytes = 256 * 1024

    let service: any SandboxService
    let execs: FileExecs
    /// How many files are worked on at a time: each takes a connection.
    let places: Places

    /// Whether a command is the file program.
    static func isMeant(by command: [String]) -> Bool { command.first == FileOrder.program }

    /// Works on a sandbox's files. Throws `resourceExhausted` where too many do.
    func withFiles<Value: Sendable>(
        of sandbox: SandboxID, _ work: (any FileSession) async throws -> Value
    ) async throws -> Value {
        guard places.take() else {
            throw CordonError(
                .resourceExhausted, "too many files are worked on at a time", retryAfter: .seconds(1))
        }
        defer { places.giveBack() }
        let session = try await service.openFiles(in: sandbox, as: nil)
        defer { session.close() }
        return try await work(session)
    }

    /// Starts an order under an exec's id; a repeat finds the one that was started. Throws `notFound` where the
    /// sandbox is over, as clients expect of files.
    func start(_ command: [String], as id: ExecID, in sandbox: SandboxID) async throws {
        let order = try FileOrder(command: command)
        let takesInput: Bool
        switch order {
        case .write: takesInput = true
        default: takesInput = false
        }
        if case .ended = try await service.sandbox(sandbox).status {
            throw CordonError(.notFound, "sandbox \(sandbox) is over, and its files are gone", field: "task_id")
        }
        let (exec, isNew) = try execs.add(id, in: sandbox, takesInput: takesInput)
        guard isNew else { return }
        await exec.begin { exec in await run(order, exec, in: sandbox) }
    }

    /// An exec's exit status, once it is over.
    static func outcome(of exec: FileExec) async throws -> Int32 {
        while true {
            try Task.checkCancellation()
            if let code = await exec.code { return code }
            await exec.change(beyond: .max)
        }
    }

    /// Gives on what an exec has written to a stream, from an offset to its end.
    func read(
        _ stream: OutputStream, of exec: FileExec, in sandbox: SandboxID, from offset: UInt64,
        _ take: (Data) async throws -> Void
    ) async throws {
        var offset = Int(clamping: offset)
        while true {
            try Task.checkCancellation()
            let code = await exec.code
            let piece = try await exec.piece(of: stream, from: offset, upTo: Self.pieceBytes)
            if !piece.isEmpty {
                try await take(piece)
                offset += piece.count
            } else if code == nil {
                await exec.change(beyond: stream == .stdout ? offset : .max)
            } else {
                break
            }
        }
        guard stream == .stdout, let path = await exec.source else { return }
        try await readFile(path, in: sandbox, from: UInt64(offset), take)
    }

    /// The most that a client reads of one file.
    private static let mostFileBytes: UInt64 = 5 << 30

    private func readFile(
        _ path: FilePath, in sandbox: SandboxID, from offset: UInt64, _ take: (Data) async throws -> Void
    ) async throws {
        try await withFiles(of: sandbox) { session in
            _ = try await session.read(path, from: offset, upTo: Self.mostFileBytes)
            while let piece = try await session.nextPiece() {
                if !piece.isEmpty { try await take(Data(piece)) }
            }
        }
    }

    /// Does an order under an exec that is there already.
    func run(_ order: FileOrder, as exec: FileExec, in sandbox: SandboxID, telling form: WatchForm) async {
        await exec.begin { exec in await run(order, exec, in: sandbox, telling: form) }
    }

    private func run(
        _ order: FileOrder, _ exec: FileExec, in sandbox: SandboxID, telling form: WatchForm = .lines
    ) async {
        do {
            try await withFiles(of: sandbox) { session in try await run(order, exec, session, form) }
        } catch {
            let error = (error as? CordonError) ?? CordonError(.aborted, "the file operation failed")
            await exec.upload?.finish()
            await exec.fail(FileFailure(error, isMaking: order.isMaking, isListing: order.isListing))
        }
    }

    private func run(
        _ order: FileOrder, _ exec: FileExec, _ session: any FileSession, _ form: WatchForm
    ) async throws {
        switch order {
        case .read(let path):
            // Whether it can be read shows now; its bytes are read as they are asked for.
            let attributes = try await session.read(path, from: 0, upTo: 0)
            guard attributes.size <= Self.mostFileBytes else { throw FileFault.tooLarge.error(path) }
            await exec.finish(source: path)
        case .write(let path):
            guard let upload = exec.upload else { return }
            _ = try await session.write(FileWrite(path: path)) { try await upload.next() }
            await upload.finish()
            await exec.finish()
        case .list(let path):
            try await exec.add(try await session.listing(of: path, most: FileExec.maximumBytes))
            await exec.finish()
        case .stat(let path):
            try await exec.add(try await session.description(of: path))
            await exec.finish()
        case .makeDirectory(let path, let parents):
            try await session.makeDirectory(path, parents: parents, mode: nil)
            await exec.finish()
        case .remove(let path, let recursive):
            try await session.remove(path, recursive: recursive)
            await exec.finish()
        case .watch(let path, let recursive, let filter, let timeout):
            try await watch(path, recursive, filter, timeout, exec, session, form)
            await exec.finish()
        }
    }

    /// Until the timeout, the end of what is watched, or that its client wants no more.
    private func watch(
        _ path: FilePath, _ recursive: Bool, _ filter: Set<String>?, _ timeout: Duration?, _ exec: FileExec,
        _ session: any FileSession, _ form: WatchForm
    ) async throws {
        try await session.watch(path, recursive: recursive)
        let timer = timeout.map { timeout in
            Task {
                try? await Task.sleep(for: timeout)
                await exec.stop()
            }
        }
        defer { timer?.cancel() }
        do {
            try await withTaskCancellationHandler {
                while !Task.isCancelled, let changes = try await session.nextChanges() {
                    for change in changes {
                        let event = WatchEvent(change, below: path, form)
                        if filter?.contains(event.eventType) ?? true { try await exec.add(event.bytes) }
                    }
                }
            } onCancel: {
                session.close()
            }
        } catch  where Task.isCancelled {}
    }
}

extension FileOrder {
    fileprivate var isMaking: Bool { if case .makeDirectory = self { true } else { false } }
    fileprivate var isListing: Bool { if case .list = self { true } else { false } }
}
