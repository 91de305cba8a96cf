import Foundation

extension HostCensus {
    /// What stands in the instance's directories, and what its ids own in places that all share.
    mutating func countFiles(_ instance: Instance) {
        countTree("\(instance.storage)/slots", depth: 2, instance)
        countTree("\(instance.storage)/sandboxes", depth: 1, instance)
        countTree("\(instance.storage)/images", depth: 1, instance)
        for place in ["layers", "trash"] { countTree("\(instance.storage)/\(place)", depth: 1, instance) }
        for place in ["blobs", "contexts"] {
            countTree("\(instance.directory)/data/service/\(place)", depth: 1, instance)
        }
        countTree(instance.runDirectory, depth: 3, instance)
        countTree("\(instance.directory)/data/service", depth: 1, instance)
        let blocks = instance.blocks
        for place in ["/tmp", "/var/tmp", "/dev/shm", "/run", "/run/cordon"] {
            for name in names(in: place) {
                var status = stat()
                guard lstat("\(place)/\(name)", &status) == 0 else { continue }
                // The directory of the test itself is known; a name that carries the id is not.
                if instance.owns(user: status.st_uid, blocks: blocks) || name.contains(instance.group) {
                    add("file \(place)/\(instance.plain(name))")
                }
            }
        }
    }

    private mutating func countTree(_ path: String, depth: Int, _ instance: Instance) {
        for name in names(in: path) {
            let child = "\(path)/\(name)"
            // SQLite makes and removes these as it likes.
            if name.hasSuffix("-wal") || name.hasSuffix("-shm") || name.hasSuffix("-journal") { continue }
            add("file \(instance.plain(child))")
            var status = stat()
            if depth > 1, lstat(child, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
                countTree(child, depth: depth - 1, instance)
            }
        }
    }
}
