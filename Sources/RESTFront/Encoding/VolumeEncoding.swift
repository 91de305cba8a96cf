import CordonAPI
import SandboxModel

extension VolumeMountRequest {
    init(_ mount: VolumeMount) {
        self.init(
            volume: mount.volume.description, path: mount.path.text, readOnly: mount.isReadOnly,
            subPath: mount.subPath?.text)
    }
}
