import SandboxModel

extension Engine {
    /// Collects what a run was asked for, with one agent, as the program's user. What can't be had says why.
    func collect(_ spec: RunSpec, _ id: SandboxID) async -> [RunOutput] {
        guard !spec.outputs.isEmpty else { return [] }
        let session: any FileSession
        do {
            session = try await openFiles(in: id, as: spec.program.user ?? find(id).snapshot.spec.user)
        } catch {
            let reason = world.boundary.convert(error, during: "collecting a run's files")
            return spec.outputs.map { RunOutput(path: $0, result: .failure(reason)) }
        }
        defer { session.close() }
        var left = RunSpec.outputBytes
        var outputs: [RunOutput] = []
        for path in spec.outputs {
            let result = await read(path, for: id, upTo: min(RunSpec.outputFileBytes, left), from: session)
            if case .success(let content) = result { left -= content.bytes.count }
            outputs.append(RunOutput(path: path, result: result))
        }
        return outputs
    }

    private func read(
        _ path: FilePath, for id: SandboxID, upTo limit: Int, from session: any FileSession
    ) async -> Result<RunOutput.Content, CordonError> {
        do {
            let attributes = try await session.attributes(of: path, followingLinks: true)
            guard attributes.size <= UInt64(limit) else { throw tooLarge(path, limit) }
            // It may grow, or not tell its size: one byte more than allowed says so.
            var read = try await session.read(path, from: 0, upTo: UInt64(limit) + 1)
            var bytes: [UInt8] = []
            var isHeld = true
            while let piece = try await session.nextPiece() {
                // The agent decides how much comes; we, how much is kept.
                guard bytes.count <= limit, isHeld else { continue }
                isHeld = runs.hold(piece.count, for: id)
                if isHeld { bytes += piece }
            }
            guard isHeld else {
                throw CordonError(
                    .resourceExhausted, "\(path.text.prefix(128)): too many files are being collected at this time",
                    field: "output_files", value: path.text)
            }
            guard bytes.count <= limit else { throw tooLarge(path, limit) }
            read.size = UInt64(bytes.count)
            return .success(RunOutput.Content(bytes: bytes, attributes: read))
        } catch { return .failure(world.boundary.convert(error, during: "collecting a run's files")) }
    }

    private func tooLarge(_ path: FilePath, _ limit: Int) -> CordonError {
        var error = FileFault.tooLarge.error(path, field: "output_files")
        error.rule =
            "at most \(RunSpec.outputFileBytes) bytes of a file, \(RunSpec.outputBytes) of all; \(limit) are left"
        return error
    }
}
