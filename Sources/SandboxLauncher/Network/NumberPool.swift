import SandboxModel
import ShimProtocol

/// The numbers that stand for places on the instance's network. One that was used rests until nothing that
/// knew it is left, and then waits behind all others.
struct NumberPool {
    private var free: [UInt32]
    private var next = 0
    private(set) var used: Set<UInt32> = []
    /// Nobody's any more, but their interface, or the kernel's memory of their connections, is there.
    private(set) var resting: Set<UInt32> = []

    init(_ numbers: Range<UInt32>) { free = Array(numbers) }

    /// Marks a number as found: a living sandbox's, or one whose namespace still is.
    mutating func adopt(_ number: UInt32, isUsed: Bool) {
        guard let index = free[next...].firstIndex(of: number) else {
            if isUsed, resting.remove(number) != nil { used.insert(number) }
            return
        }
        free.remove(at: index)
        if isUsed { used.insert(number) } else { resting.insert(number) }
    }

    mutating func take() throws(Failure) -> UInt32 {
        guard next < free.count else {
            throw Failure(.resourceExhausted, "no address is free for another sandbox: \(resting.count) still rest")
        }
        let number = free[next]
        next += 1
        if next > 1024 {
            free.removeFirst(next)
            next = 0
        }
        used.insert(number)
        return number
    }

    mutating func rest(_ number: UInt32) {
        if used.remove(number) != nil { resting.insert(number) }
    }

    mutating func release(_ number: UInt32) {
        used.remove(number)
        if resting.remove(number) != nil || !free[next...].contains(number) { free.append(number) }
    }
}
