import SandboxModel

/// Which living sandbox is where, both ways.
struct NetworkPlaces {
    private var places: [SandboxID: NetworkPlace] = [:]
    private var owners: [IPAddress: SandboxID] = [:]
    private var interfaces: [UInt32: SandboxID] = [:]

    mutating func put(_ id: SandboxID, at place: NetworkPlace) {
        remove(id)
        places[id] = place
        owners[place.v4] = id
        if let v6 = place.v6 { owners[v6] = id }
        interfaces[place.routerInterface] = id
    }

    mutating func remove(_ id: SandboxID) {
        guard let place = places.removeValue(forKey: id) else { return }
        for address in [place.v4, place.v6] {
            // Another may have the place by now.
            if let address, owners[address] == id { owners[address] = nil }
        }
        if interfaces[place.routerInterface] == id { interfaces[place.routerInterface] = nil }
    }

    func owner(of address: IPAddress) -> SandboxID? { owners[address.unmapped] }

    func owner(behind interface: UInt32) -> SandboxID? { interfaces[interface] }
}
