import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension SandboxSupervisor {
    /// Starts the end, which is complete once init has been reaped. The first reason stands;
    /// without one, the main command's own ending is the sandbox's.
    func end(_ reason: EndingReason?, _ detail: String) {
        if case .ending = phase { return }
        phase = .ending
        if let reason { verdict = Exec.Verdict(reason: reason, detail: detail) }
        for exec in execs.values where !exec.isOver && exec.verdict == nil {
            exec.verdict = Exec.Verdict(reason: .terminated, detail: "the sandbox ended")
        }
        killAll()
        _ = cordon_pidfd_kill(process.pidfd.raw, SIGKILL)
    }

    /// What serves it from outside first: what waits for that can die then.
    private func killAll() {
        try? group.aside.kill()
        try? group.kill()
    }

    /// Init is dead, and with it everything inside (pid_namespaces(7)).
    func initDied() {
        var status: Int32 = 0
        guard cordon_reap(process.pid, &status) == process.pid else { return }
        loop.unwatch(process.pidfd.raw)
        // What it reported before it died still counts.
        while case .report(let report) = process.hear() { handle(report) }
        loop.unwatch(process.socket.raw)
        if case .ending = phase {} else { lost(status) }
        phase = .ending
        killAll()

        let ending = sandboxEnding()
        for pending in Array(starts.values) {
            pending.answer(.failure(Failure(.failedPrecondition, "the sandbox ended")))
            loop.unwatch(pending.report.raw)
        }
        starts.removeAll()
        for agent in fileAgents.values { close(agent) }
        for id in execOrder {
            guard let exec = execs[id] else { continue }
            for output in exec.outputs.values { output.finish() }
            if !exec.isOver { finish(exec, execEnding(exec, ending)) }
        }
        try? record?.replace(RecordNames.ending, with: ending.record, mode: 0o640)
        onEnd(ending)
    }

    /// Nobody asked for init's death.
    private func lost(_ status: Int32) {
        let killed = status & 0x7f == SIGKILL
        if killed, group.outOfMemoryKills() > 0 {
            verdict = Exec.Verdict(reason: .outOfMemory, detail: "the sandbox was over its memory limit")
        } else {
            verdict = Exec.Verdict(reason: .supervisorLost, detail: "the sandbox's init died (wait status \(status))")
        }
    }

    private func sandboxEnding() -> Ending {
        if let verdict { return Ending(verdict.reason, detail: verdict.detail, at: .now()) }
        if let mainEnding { return mainEnding }
        return Ending(.supervisorLost, detail: "the sandbox ended without a reason", at: .now())
    }

    private func execEnding(_ exec: Exec, _ sandbox: Ending) -> Ending {
        let verdict = exec.verdict ?? Exec.Verdict(reason: .terminated, detail: "the sandbox ended")
        // An exec that its own timeout killed keeps that reason.
        if verdict.reason == .timedOut { return Ending(.timedOut, signal: 9, detail: verdict.detail, at: .now()) }
        let reason = exec.id == .main ? sandbox.reason : .terminated
        let detail = exec.id == .main ? sandbox.detail : "the sandbox ended (\(sandbox.reason.rawValue))"
        return Ending(reason, signal: 9, detail: detail, at: .now())
    }
}
