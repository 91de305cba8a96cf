import SandboxModel

extension Call {
    /// The sandbox that a call to a task is about: the task's own, or the sidecar of it that is named.
    func container(_ text: String, ofTask task: String) async throws -> SandboxID {
        text.isEmpty ? try sandbox(ofTask: task) : try await sidecar(text, ofTask: task)
    }

    /// A sidecar of a task's sandbox; whose it is decides who may speak to it.
    func sidecar(_ text: String, ofTask task: String) async throws -> SandboxID {
        let main = try sandbox(ofTask: task)
        if let id = SandboxID(text), let sidecar = try await known(id), sidecar.spec.sidecarOf == main { return id }
        throw CordonError(
            .notFound, "the sandbox has no sidecar \(text.prefix(64))", field: "container_id", value: text)
    }

    private func known(_ id: SandboxID) async throws -> SandboxSnapshot? {
        do {
            return try await service.sandbox(id)
        } catch let error as CordonError where error.code == .notFound { return nil }
    }

    /// An exec that was started by way of a task, and the sandbox that it is in: clients name the sidecar only when they
    /// start one.
    func exec(_ text: String, ofTask task: String) async throws -> (sandbox: SandboxID, exec: ExecID) {
        let main = try sandbox(ofTask: task)
        let exec = try ExecCalls.execID(text)
        if try await has(exec, in: main) { return (main, exec) }
        for sidecar in try await service.sandboxes(matching: SandboxQuery(sidecarsOf: main, limit: 1000)).sandboxes
        where try await has(exec, in: sidecar.id) {
            return (sidecar.id, exec)
        }
        // It is said of the task's own sandbox what is wrong with the exec.
        return (main, exec)
    }

    private func has(_ exec: ExecID, in sandbox: SandboxID) async throws -> Bool {
        if front.files.execs.find(exec, in: sandbox) != nil { return true }
        do {
            _ = try await service.exec(exec, in: sandbox)
            return true
        } catch let error as CordonError where error.code == .notFound { return false }
    }
}
