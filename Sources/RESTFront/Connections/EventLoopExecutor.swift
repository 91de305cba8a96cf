import NIOCore

/// Runs tasks on an event loop: those of a connection run where its bytes arrive and leave, so that no thread has to be
/// woken on the way from a request to its answer. What may block has no place there (`StreamPieces` reads elsewhere).
final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// One executor for each loop of a group, for as long as the front lives: the runtime doesn't keep them.
struct EventLoopExecutors: Sendable {
    private let executors: [ObjectIdentifier: EventLoopExecutor]

    init(_ group: any EventLoopGroup) {
        executors = Dictionary(
            uniqueKeysWithValues: group.makeIterator().map { (ObjectIdentifier($0), EventLoopExecutor($0)) })
    }

    /// nil for a loop of another group, as tests have: tasks then run wherever there is room.
    func executor(for loop: any EventLoop) -> (any TaskExecutor)? { executors[ObjectIdentifier(loop)] }
}
