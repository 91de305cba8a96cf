import LinuxSystem
import SandboxModel

/// The files of `/etc` that tell where a sandbox is, whatever its image says.
enum HostFiles {
    static let all: KeyValuePairs<String, String> = [
        "hostname": "sandbox\n",
        "hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n",
        "resolv.conf": "nameserver \(NetworkPlace.routerAddress)\n",
    ]

    /// Writes them into a slot's directory, for its sandbox alone: root inside may change them.
    static func write(to directory: Directory) throws {
        for (name, text) in all { try directory.replace(name, with: Array(text.utf8), mode: 0o644) }
    }
}
