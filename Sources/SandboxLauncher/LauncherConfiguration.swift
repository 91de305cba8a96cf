import Glibc
import SandboxModel

/// What the launcher is started with: flags alone, `--name value` each.
public struct LauncherConfiguration: Sendable {
    /// Layers, writable layers, records and output live below; reached by root and the service alone.
    public var dataDirectory = ""
    /// Sockets, slots and locks of this instance.
    public var runDirectory = ""
    /// The program of the shims.
    public var shim = ""
    /// The service's own host ids: it may connect and read output, nothing else.
    public var serviceUser: UInt32 = 0
    public var serviceGroup: UInt32 = 0
    /// How many sandboxes are kept prepared.
    public var poolSize = 8
    /// How many are left once nothing was launched for this long.
    public var poolIdleSize = 2
    public var poolIdleSeconds: UInt64 = 600
    public var hideUsrLocal = false
    /// Limits of a prepared sandbox; a launch that asks for the same changes nothing.
    public var defaultMemoryMiB: UInt64 = 1024
    public var defaultCPUWeightMillicores = 125
    public var defaultPids = 1024
    /// The size of a prepared sandbox's disk; 0 for none.
    public var defaultDiskMiB: UInt32 = 0
    /// What all sandboxes together may have.
    public var totalPids = 24_000
    public var execSpoolMiB: UInt64 = 256
    public var sandboxSpoolMiB: UInt64 = 1024
    public var diskReserveMiB: UInt64 = 1024
    /// 1 descriptors, 2 attached clones, 0 whichever works.
    public var overlayMethod: UInt8 = 0

    public var network = NetworkConfiguration()
    /// What programs that serve buckets may reach beside the internet.
    public var bucketRanges: [AddressRange] = []

    /// An argument that can't be used.
    public struct UsageError: Error, CustomStringConvertible {
        public let description: String
    }

    public init(arguments: [String]) throws {
        var rest = arguments[...]
        func number<Value: FixedWidthInteger>(_ name: String, _ text: String) throws -> Value {
            guard let value = Value(text) else { throw UsageError(description: "\(name): not a number: \(text)") }
            return value
        }
        func ranges(_ name: String, _ text: String) throws -> [AddressRange] {
            try text.split(separator: ",").map { part in
                guard let range = AddressRange(part) else {
                    throw UsageError(description: "\(name): not a range of addresses: \(part)")
                }
                return range
            }
        }
        while let name = rest.popFirst() {
            guard let value = rest.popFirst() else { throw UsageError(description: "\(name) takes a value") }
            switch name {
            case "--data-dir": dataDirectory = value
            case "--run-dir": runDirectory = value
            case "--shim": shim = value
            case "--service-user": serviceUser = try number(name, value)
            case "--service-group": serviceGroup = try number(name, value)
            case "--pool-size": poolSize = try number(name, value)
            case "--pool-idle-size": poolIdleSize = try number(name, value)
            case "--pool-idle-seconds": poolIdleSeconds = try number(name, value)
            case "--hide-usr-local": hideUsrLocal = value == "true"
            case "--default-memory-mib": defaultMemoryMiB = try number(name, value)
            case "--default-cpu-weight": defaultCPUWeightMillicores = try number(name, value)
            case "--default-pids": defaultPids = try number(name, value)
            case "--default-disk-mib": defaultDiskMiB = try number(name, value)
            case "--total-pids": totalPids = try number(name, value)
            case "--exec-spool-mib": execSpoolMiB = try number(name, value)
            case "--sandbox-spool-mib": sandboxSpoolMiB = try number(name, value)
            case "--disk-reserve-mib": diskReserveMiB = try number(name, value)
            case "--overlay-method": overlayMethod = try number(name, value)
            case "--network": network.isOn = value == "true"
            case "--network-pool":
                guard let range = AddressRange(value), range.family == .v4, range.prefix <= NetworkPlace.blockPrefix
                else { throw UsageError(description: "\(name): not a range of addresses: \(value)") }
                network.pool = range
            case "--network-opened": network.opened = try ranges(name, value)
            case "--bucket-opened": bucketRanges = try ranges(name, value)
            case "--network-ipv6":
                guard let mode = NetworkConfiguration.IPv6(rawValue: value) else {
                    throw UsageError(description: "\(name): neither auto, on nor off: \(value)")
                }
                network.ipv6 = mode
            case "--network-connections": network.maximumConnections = try number(name, value)
            case "--network-connections-in-all": network.maximumConnectionsInAll = try number(name, value)
            case "--network-connections-per-second": network.connectionsPerSecond = try number(name, value)
            case "--network-packets-per-second": network.packetsPerSecond = try number(name, value)
            default: throw UsageError(description: "unknown option \(name)")
            }
        }
        for (name, value) in [("--data-dir", dataDirectory), ("--run-dir", runDirectory), ("--shim", shim)]
        where !value.hasPrefix("/") {
            throw UsageError(description: "\(name) takes an absolute path")
        }
    }
}
