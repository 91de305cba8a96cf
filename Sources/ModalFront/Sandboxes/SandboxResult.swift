import ModalProtocol
import SandboxModel

extension ModalGenericResult {
    /// How an ending shows in Modal's words; a status of 0 means that it isn't over.
    package init(_ ending: Ending) {
        self.init()
        switch ending.reason {
        case .exited:
            exitcode = Int32(ending.exitCode ?? 0)
            status = exitcode == 0 ? .success : .failure
        case .signalled:
            exitcode = 128 + Int32(ending.signal ?? 0)
            status = .failure
        case .timedOut: (status, exitcode) = (.timeout, 124)
        case .idleTimedOut: (status, exitcode) = (.idleTimeout, 137)
        case .terminated: (status, exitcode) = (.terminated, 137)
        case .outOfMemory: (status, exitcode) = (.kernelOomKill, 137)
        case .failedToStart: (status, exitcode) = (.initFailure, 127)
        case .supervisorLost, .hostRestarted: (status, exitcode) = (.internalFailure, 137)
        }
        if status != .success { exception = ending.detail ?? ending.reason.rawValue }
    }
}

extension SandboxSnapshot {
    /// nil while it isn't over.
    var result: ModalGenericResult? {
        guard case .ended(let ending) = status else { return nil }
        return ModalGenericResult(ending)
    }

    var handle: ModalSandboxHandleMetadata {
        .with {
            $0.appID = appID.text
            if let result { $0.result = result }
        }
    }

    /// As a list shows it.
    var info: ModalSandboxInfo {
        .with {
            $0.id = id.text
            $0.createdAt = createdAt.inSeconds
            $0.appID = appID.text
            $0.tags = spec.tags.modal
            $0.name = spec.name?.text ?? ""
            $0.imageID = spec.imageID?.text ?? ""
            $0.timeoutSecs = UInt32(clamping: Int64(spec.timeout.inSeconds))
            if let idle = spec.idleTimeout { $0.idleTimeoutSecs = UInt32(clamping: Int64(idle.inSeconds)) }
            if let ready = readySince { $0.readyAt = ready.inSeconds }
            $0.metadata = handle
            $0.taskInfo.id = TaskID(id).description
            $0.taskInfo.sandboxID = id.text
            $0.taskInfo.enqueuedAt = createdAt.inSeconds
            if let startedAt { $0.taskInfo.startedAt = startedAt.inSeconds }
            if case .ended(let ending) = status { $0.taskInfo.finishedAt = ending.at.inSeconds }
            if let result { $0.taskInfo.result = result }
        }
    }
}

extension Timestamp {
    /// Since 1970, as the protocol has it: a double holds microseconds of our time exactly.
    var inSeconds: Double { Double(microseconds) / 1_000_000 }

    init(seconds: Double) { self.init(microseconds: Int64((max(0, min(seconds, 4e9)) * 1_000_000).rounded())) }
}

extension TunnelEndpoint {
    var modal: ModalTunnelData {
        .with {
            $0.containerPort = UInt32(port)
            $0.host = host
            $0.port = UInt32(hostPort)
            guard kind == .unencrypted else { return }
            $0.unencryptedHost = host
            $0.unencryptedPort = UInt32(hostPort)
        }
    }
}

extension Duration {
    /// A client's number of seconds: from nothing to what one call may wait.
    init(wait seconds: Float) { self = .milliseconds(Int64(max(0, min(seconds, 60)) * 1000)) }
}
