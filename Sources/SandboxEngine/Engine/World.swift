import Logging
import SandboxModel

/// What every sandbox of an engine works with.
struct World: Sendable {
    let host: any SandboxHost
    let records: any SandboxRecords
    let clock: any EngineClock
    let limits: EngineLimits
    let journal: Journal
    let registry: Registry
    let waiters: WaiterBudget
    let boundary: ErrorBoundary
    let observer: any ServiceObserver
    let logger: Logger
}
