/// Actions by the time they are due: adding, cancelling and finding the next one are cheap however
/// many there are.
struct DeadlineQueue {
    private struct Place {
        let at: UInt64
        let number: Int

        func isBefore(_ other: Place) -> Bool { at != other.at ? at < other.at : number < other.number }
    }

    private var actions: [Int: () -> Void] = [:]
    /// A binary heap, the earliest first. Cancelled ones stay until they are on top, or too many.
    private var heap: [Place] = []
    private var nextNumber = 1

    var isEmpty: Bool { actions.isEmpty }

    /// Adds an action; the number cancels it.
    mutating func add(at time: UInt64, _ action: @escaping () -> Void) -> Int {
        let number = nextNumber
        nextNumber += 1
        actions[number] = action
        push(Place(at: time, number: number))
        return number
    }

    /// False when it is not there any more.
    mutating func cancel(_ number: Int) -> Bool {
        guard actions.removeValue(forKey: number) != nil else { return false }
        if heap.count > 64, heap.count > 2 * actions.count { rebuild() }
        return true
    }

    /// When the next action is due.
    var next: UInt64? {
        mutating get {
            while let top = heap.first {
                if actions[top.number] != nil { return top.at }
                _ = pop()
            }
            return nil
        }
    }

    /// The actions that are due by now, in order. They stay until they are taken: one of them may
    /// cancel another.
    mutating func due(by now: UInt64) -> [Int] {
        var due: [Int] = []
        while let next, next <= now, let place = pop() { due.append(place.number) }
        return due
    }

    /// Takes an action that is due, or nil when it was cancelled meanwhile.
    mutating func take(_ number: Int) -> (() -> Void)? { actions.removeValue(forKey: number) }

    // MARK: Heap

    private mutating func rebuild() {
        let living = heap.filter { actions[$0.number] != nil }
        heap.removeAll(keepingCapacity: true)
        for place in living { push(place) }
    }

    private mutating func push(_ place: Place) {
        heap.append(place)
        var index = heap.count - 1
        while index > 0, heap[index].isBefore(heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func pop() -> Place? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
                least = child
            }
            if least == index { return first }
            heap.swapAt(index, least)
            index = least
        }
    }
}
