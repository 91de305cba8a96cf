import Foundation
import Synchronization

/// This process's terminal: its size, and the modes that it is put into and back.
final class LocalTerminal: Sendable {
    /// The one terminal there is: what standard input is connected to.
    static let shared = LocalTerminal()

    /// The modes to go back to; nil while it isn't raw.
    private let saved = Mutex<termios?>(nil)

    static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    var isRaw: Bool { saved.withLock { $0 != nil } }

    /// Every key goes to whoever reads, unseen by the terminal: no echo, no lines, no signals (cfmakeraw(3)).
    ///
    /// Called again, it sets the same modes again, whatever has been made of them meanwhile.
    func enterRaw() throws {
        try saved.withLock { saved in
            var modes = termios()
            guard tcgetattr(0, &modes) == 0 else { throw LocalFailure("tcgetattr", errno) }
            let before = saved ?? modes
            cfmakeraw(&modes)
            guard tcsetattr(0, TCSANOW, &modes) == 0 else { throw LocalFailure("tcsetattr", errno) }
            saved = before
        }
    }

    /// Back to the modes from before; nothing when it isn't raw.
    func restore() {
        saved.withLock { saved in
            guard var modes = saved else { return }
            saved = nil
            tcsetattr(0, TCSADRAIN, &modes)
        }
    }

    /// Rows and columns, of whichever of our streams is a terminal; nil when none is, or it knows none.
    static func size() -> (rows: Int, columns: Int)? {
        for descriptor: Int32 in [0, 1, 2] {
            var size = winsize()
            if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 {
                return (Int(size.ws_row), Int(size.ws_col))
            }
        }
        return nil
    }
}

/// A call of this machine's that failed.
struct LocalFailure: Error, CustomStringConvertible {
    let description: String

    init(_ call: String, _ code: Int32) { description = "\(call): \(String(cString: strerror(code)))" }
}
