import FoundationEssentials
import GRPCCore
import ModalProtocol
import SandboxModel

/// Files of a sandbox as clients of old work on them: each operation is an exec of its own, whose output is fetched.
struct ContainerFileCalls {
    private static let pieceBytes = 1 << 20

    func add(to table: inout CallTable) {
        table.unary("ContainerFilesystemExec", start)
        table.stream("ContainerFilesystemExecGetOutput", output)
    }

    @Sendable private func start(
        _ request: ModalContainerFilesystemExecRequest, _ call: Call
    ) async throws -> ModalContainerFilesystemExecResponse {
        let sandbox = try call.sandbox(ofTask: request.taskID)
        let id = ExecID.mint()
        let (exec, _) = try call.front.files.execs.add(id, in: sandbox, takesInput: false)
        var handle: String?
        if case .fileWatchRequest(let watch) = request.fileExecRequestOneof {
            let order = FileOrder.watch(
                try FilePath(watch.path), recursive: watch.recursive, filter: nil,
                timeout: watch.hasTimeoutSecs ? .seconds(min(watch.timeoutSecs, 86_400)) : nil)
            await call.front.files.run(order, as: exec, in: sandbox, telling: .blocks)
        } else {
            let most = OpenFiles.mostBytesOfOne
            do {
                let done = try await call.front.files.withFiles(of: sandbox) { session in
                    try await work(request, call, sandbox, session)
                }
                handle = done.handle
                try await exec.add(Data(done.output), upTo: most)
                await exec.finish()
            } catch let error as CordonError {
                await exec.fail(FileFailure(error))
            }
        }
        // Answered also where the file could not be opened: the output says why.
        if case .fileOpenRequest = request.fileExecRequestOneof, handle == nil { handle = "fd-none" }
        return .with {
            $0.execID = ContainerExecID(sandbox: sandbox, exec: id).description
            if let handle { $0.fileDescriptor = handle }
        }
    }

    private func work(
        _ request: ModalContainerFilesystemExecRequest, _ call: Call, _ sandbox: SandboxID, _ session: any FileSession
    ) async throws -> (output: [UInt8], handle: String?) {
        let (files, most) = (call.front.openFiles, OpenFiles.mostBytesOfOne)
        switch request.fileExecRequestOneof {
        case .fileOpenRequest(let open):
            guard let mode = OpenMode(open.mode) else { throw FileFault.invalid.error(try FilePath(open.path)) }
            let file = OpenFile(try FilePath(open.path), mode, in: sandbox, holding: files.holding())
            try await file.open(session, most: most)
            return ([], try await files.add(file))
        case .fileReadRequest(let read):
            let file = try await files.file(read.fileDescriptor, in: sandbox)
            return (try await file.read(session, count: read.hasN ? Int(read.n) : nil, most: most), nil)
        case .fileReadLineRequest(let read):
            return (try await files.file(read.fileDescriptor, in: sandbox).readLine(session, most: most), nil)
        case .fileWriteRequest(let write):
            try await files.file(write.fileDescriptor, in: sandbox).write([UInt8](write.data), most: most)
        case .fileFlushRequest(let flush):
            try await files.file(flush.fileDescriptor, in: sandbox).flush(session)
        case .fileSeekRequest(let seek):
            try await files.file(seek.fileDescriptor, in: sandbox)
                .seek(session, by: Int(seek.offset), from: seek.whence.rawValue)
        case .fileDeleteBytesRequest(let delete):
            try await files.file(delete.fileDescriptor, in: sandbox).replace(
                from: delete.hasStartInclusive ? Int(delete.startInclusive) : nil,
                to: delete.hasEndExclusive ? Int(delete.endExclusive) : nil, by: [], most: most)
        case .fileWriteReplaceBytesRequest(let replace):
            try await files.file(replace.fileDescriptor, in: sandbox).replace(
                from: replace.hasStartInclusive ? Int(replace.startInclusive) : nil,
                to: replace.hasEndExclusive ? Int(replace.endExclusive) : nil, by: [UInt8](replace.data), most: most)
        case .fileCloseRequest(let close):
            try await files.file(close.fileDescriptor, in: sandbox).flush(session)
            await files.remove(close.fileDescriptor)
        case .fileLsRequest(let list):
            return ([UInt8](try await session.names(in: try FilePath(list.path), most: FileExec.maximumBytes)), nil)
        case .fileMkdirRequest(let make):
            try await session.makeDirectory(try FilePath(make.path), parents: make.makeParents, mode: nil)
        case .fileRmRequest(let remove):
            try await session.remove(try FilePath(remove.path), recursive: remove.recursive)
        case .fileWatchRequest, nil:
            throw CordonError.invalid(field: "file_exec_request", value: nil, rule: "one operation")
        }
        return ([], nil)
    }

    /// What was given once isn't given again: a client whose stream ended without an end asks for the rest.
    @Sendable private func output(
        _ request: ModalContainerFilesystemExecGetOutputRequest, _ call: Call,
        _ writer: RPCWriter<ModalFilesystemRuntimeOutputBatch>
    ) async throws {
        let id = try ContainerExecID(request.execID)
        guard let exec = call.front.files.execs.find(id.exec, in: id.sandbox) else {
            throw CordonError(.notFound, "there is no such file operation", field: "exec_id", value: request.execID)
        }
        let deadline = ContinuousClock.now + Duration(wait: request.timeout)
        while ContinuousClock.now < deadline {
            try Task.checkCancellation()
            // In this order: what comes with the end is seen.
            let isOver = exec.isOver
            let piece = await exec.take(upTo: Self.pieceBytes)
            if !piece.isEmpty {
                try await writer.write(.with { $0.output = [piece] })
            } else if isOver {
                // Clients look no further than an end.
                if let failure = await exec.failure { try await writer.write(failure.batch) }
                return try await writer.write(.with { $0.eof = true })
            } else {
                await exec.untilMore(or: deadline)
            }
        }
    }
}

extension FileFailure {
    fileprivate var batch: ModalFilesystemRuntimeOutputBatch {
        .with {
            $0.error = .with {
                $0.errorCode = systemCode
                $0.errorMessage = message
            }
        }
    }

    fileprivate var systemCode: ModalSystemErrorCode {
        switch FileFault(rawValue: detail) {
        case .notFound: .noent
        case .notADirectory: .notdir
        case .isADirectory: .isdir
        case .exists: .exist
        case .permissionDenied, .readOnly: .acces
        case .noSpace: .nospc
        case .tooLarge: .fbig
        case .invalid, .notARegularFile, .notEmpty, .nameTooLong: .inval
        default: .io
        }
    }
}
