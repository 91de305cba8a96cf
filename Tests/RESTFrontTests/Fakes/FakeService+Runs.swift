import SandboxModel

extension FakeService {
    /// What became of a run.
    struct FakeRun {
        var spec: RunSpec
        var isLeft = false
        var leftForNow = false
    }

    /// A file whose name starts with `refused` can't be written.
    func startRun(_ spec: RunSpec, by caller: Caller, key: IdempotencyKey?) async throws -> StartedRun {
        for file in spec.files where file.path.text.contains("/refused") {
            throw FileFault.permissionDenied.error(file.path, field: file.field)
        }
        var sandboxSpec = spec.sandbox
        sandboxSpec.run = RunMark(isDetached: spec.isDetached, hasKey: key != nil)
        let sandbox = try await create(sandboxSpec, by: caller, key: key)
        update { $0.runs[sandbox.id] = FakeRun(spec: spec) }
        let program = try await startExec(spec.program, in: sandbox.id, by: caller, key: nil)
        return StartedRun(
            sandbox: sandbox, program: program, creating: .milliseconds(1), writing: .milliseconds(2),
            starting: .milliseconds(3))
    }

    func finishRun(_ id: SandboxID) async throws -> FinishedRun {
        while try await wait(for: .run, in: id, upTo: .seconds(1)).status == .running {}
        let sandbox = try await terminate(id)
        let spec = update { $0.runs[id]?.spec }
        let outputs = (spec?.outputs ?? []).map { path in
            if path.text.hasSuffix("missing") {
                return RunOutput(path: path, result: .failure(FileFault.notFound.error(path)))
            }
            let bytes: [UInt8] = path.text.hasSuffix("binary") ? [0xff, 0, 1] : Array("text \"é\"\n".utf8)
            return RunOutput(
                path: path,
                result: .success(
                    RunOutput.Content(
                        bytes: bytes,
                        attributes: FileAttributes(
                            kind: .file, size: UInt64(bytes.count), mode: 0o640, user: 0, group: 0, modifiedAt: .now()))
                ))
        }
        return FinishedRun(
            sandbox: sandbox, program: try await exec(.run, in: id), outputs: outputs, finishing: .milliseconds(4))
    }

    func leaveRun(_ id: SandboxID, forNow: Bool) async {
        update {
            $0.runs[id]?.isLeft = true
            $0.runs[id]?.leftForNow = forNow
        }
    }

    func openFiles(in id: SandboxID, as user: String?) async throws -> any FileSession {
        _ = try await sandbox(id)
        return FakeFileSession(service: self)
    }
}
