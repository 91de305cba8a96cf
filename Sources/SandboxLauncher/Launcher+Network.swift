import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// What a slot has of the instance's network.
struct SlotNetwork {
    let number: UInt32
    /// Whether its interface is there, and up.
    var isAttached = false
    var isUp = true
}

extension Launcher {
    // MARK: Starting

    /// Takes over the network of what lives, or makes one. A host that can't have one still runs sandboxes
    /// without.
    func startNetwork() {
        guard configuration.network.isOn else {
            networkFault = "this service is configured without a network (network: false)"
            return
        }
        do {
            let started = try LauncherNetwork(
                configuration.network, instance: try files.instance(), files: files,
                owner: configuration.runDirectory, router: heldRouter(), loop: loop,
                log: { [unowned self] in self.log($0) })
            network = started
            for slot in slots.values {
                guard let number = slot.network?.number else { continue }
                if started.adopt(number) { slot.network?.isAttached = true } else { slot.network = nil }
            }
        } catch {
            networkFault = "this host can't give sandboxes a network: \(error)"
            log("sandboxes get no network, and must be asked for with block_network: \(error)")
        }
    }

    /// The router's namespace as a living shim holds it.
    private func heldRouter() throws -> NetworkNamespace? {
        let home = try NetworkNamespace.current()
        for slot in slots.values where slot.network != nil && slot.pid > 0 && !slot.isReclaiming {
            let path = "/proc/\(slot.pid)/fd"
            guard let directory = try? Directory(path: path), let names = try? directory.entries() else { continue }
            for name in names {
                guard let namespace = try? NetworkNamespace(opening: "\(path)/\(name)"), !namespace.isSame(as: home)
                else { continue }
                return namespace
            }
        }
        return nil
    }

    // MARK: Launching

    /// Reserves a place where the assignment asks for a network: it is on record before it is anything else.
    func reserveNetwork(for slot: Slot, _ policy: NetworkPolicy) throws {
        guard policy != .blocked else { return }
        slot.network = SlotNetwork(number: try theNetwork().reserve())
    }

    func theNetwork() throws(Failure) -> LauncherNetwork {
        guard let network else {
            throw Failure(.failedPrecondition, "\(networkFault ?? "there is no network"); ask for block_network")
        }
        return network
    }

    /// Has the shim of a slot that gets a network hold the router.
    func keepRouter(in slot: Slot) throws {
        guard slot.network != nil else { return }
        slot.channel?.send(KeepRouter(), request: 0, descriptor: try theNetwork().router.namespace.duplicate())
    }

    /// Connects a slot that has a place, unless it is connected.
    func attachNetwork(of slot: Slot, _ policy: NetworkPolicy) throws {
        guard let place = slot.network, !place.isAttached else { return }
        try theNetwork().attach(place.number, namespace: try networkNamespace(of: slot), policy)
        slot.network?.isAttached = true
    }

    /// A slot is over: its place rests.
    func leaveNetwork(_ slot: Slot) {
        guard let place = slot.network else { return }
        network?.leave(place.number)
    }

    func place(of slot: Slot) -> NetworkPlace? {
        guard let network, let place = slot.network, place.isAttached else { return nil }
        return network.block.place(place.number)
    }

    // MARK: Requests

    /// Gives a running sandbox another policy.
    func setNetwork(_ request: SetNetwork) throws -> NetworkSet {
        guard let slot = sandboxes[request.id], case .running = slot.state else {
            throw Failure(.failedPrecondition, "sandbox \(request.id) has ended")
        }
        if let main = slot.kind.sidecarOf {
            throw Failure(.failedPrecondition, "sandbox \(request.id) is a sidecar: its network is that of \(main)")
        }
        do {
            try change(slot, to: request.policy)
        } catch let error as SystemCallError {
            throw Failure(.internal, "the network of sandbox \(request.id) could not be changed: \(error)")
        }
        return NetworkSet(place: place(of: slot))
    }

    private func change(_ slot: Slot, to policy: NetworkPolicy) throws {
        if slot.network == nil {
            guard policy != .blocked else { return }
            try reserveNetwork(for: slot, policy)
            try files.runSlots.directory(slot.name).replace(SlotNames.owner, with: owner(of: slot).record)
            try keepRouter(in: slot)
            try attachNetwork(of: slot, policy)
            return
        }
        guard let place = slot.network else { return }
        if !place.isAttached {
            // It could not be attached before.
            guard policy != .blocked else { return }
            try attachNetwork(of: slot, policy)
        }
        let network = try theNetwork()
        let namespace = try networkNamespace(of: slot)
        // Closed first and opened last: nothing goes where neither policy allows it.
        if policy == .blocked { try network.setUp(false, place.number, namespace: namespace) }
        try network.load(policy, namespace: namespace)
        if policy != .blocked, !place.isUp { try network.setUp(true, place.number, namespace: namespace) }
        slot.network?.isUp = policy != .blocked
    }

    /// What is on record of a slot that is somebody's.
    func owner(of slot: Slot) -> SlotOwner {
        SlotOwner(
            sandbox: slot.sandbox?.text ?? "", initProcess: slot.initProcess, network: slot.network?.number ?? 0)
    }

    func openAddresses(_ request: OpenAddresses) throws {
        guard let slot = sandboxes[request.id], case .running = slot.state, slot.network != nil else {
            throw Failure(.failedPrecondition, "sandbox \(request.id) has ended, or has no network")
        }
        guard request.duration > .zero, request.duration <= .seconds(86_400) else {
            throw Failure(.invalidArgument, "addresses are opened for at most a day")
        }
        do {
            try theNetwork().open(
                request.addresses, milliseconds: UInt64(request.duration.microseconds / 1000) + 1,
                namespace: try networkNamespace(of: slot))
        } catch let error as SystemCallError {
            throw Failure(.internal, "addresses could not be opened to sandbox \(request.id): \(error)")
        }
    }

    func openRouterSocket(_ socket: RouterSocket) throws -> Descriptor {
        do {
            return try theNetwork().open(socket)
        } catch let error as SystemCallError {
            throw Failure(.internal, "the router's socket \(socket) could not be made: \(error)")
        }
    }
}
