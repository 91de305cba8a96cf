import Logging
import SandboxModel

/// What every sandbox of an engine works with.
struct World: Sendable {
    let host: any SandboxHost
    let records: any SandboxRecords
    let tunnels: any TunnelHost
    let images: any ImageSource
    let volumes: any VolumeSource
    let clock: any EngineClock
    let limits: EngineLimits
    let journal: Journal
    let registry: Registry
    let waiters: WaiterBudget
    let boundary: ErrorBoundary
    let observer: any ServiceObserver
    let follower: any NetworkFollower
    let vault: Vault
    let logger: Logger
}
