"""What Cordon is compared with: programs of Debian's packages, unpacked below a directory of the benchmark's own and
started on roots of their own. Nothing is installed, and no service of the host's is started or changed."""

import ctypes
import json
import os
import pathlib
import subprocess
import time

PACKAGES = [
    "bubblewrap", "busybox-static", "containerd", "crun", "docker.io", "libdevmapper1.02.1", "runc", "runsc", "haproxy", "liblua5.3-0",
    "docker-registry", "skopeo", "umoci", "xfsprogs", "btrfs-progs", "libinih1", "liburcu8",
    "libopentracing-c-wrapper0", "libopentracing1", "nginx", "libnginx-mod-stream",
]


def fetch(directory):
    """Unpacks the peers' packages and returns the environment that finds their programs."""
    archives, root = pathlib.Path(directory) / "archives", pathlib.Path(directory) / "root"
    archives.mkdir()
    root.mkdir()
    # apt downloads as an account without rights.
    os.chmod(archives, 0o777)
    for package in PACKAGES:
        done = subprocess.run(["apt-get", "download", "-qq", package], cwd=archives, capture_output=True, text=True)
        if done.returncode:
            print(f"  {package} can't be had here: {done.stderr.strip().splitlines()[-1:]}")
    for archive in archives.glob("*.deb"):
        subprocess.run(["dpkg", "-x", archive, root], check=True)
    programs = [root / part for part in ("usr/sbin", "usr/bin", "sbin", "bin")]
    libraries = [root / part / "x86_64-linux-gnu" for part in ("usr/lib", "lib")]
    return {
        "PATH": ":".join(map(str, programs)) + ":" + os.environ["PATH"],
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "HOME": str(directory),
    }


class Runner:
    """Runs a peer's programs to their end, as cheaply as Python can."""

    def __init__(self, environment):
        self.environment = environment

    def has(self, name):
        return self.path(name) is not None

    def path(self, name):
        for place in self.environment["PATH"].split(":"):
            if os.path.isfile(f"{place}/{name}") and os.access(f"{place}/{name}", os.X_OK):
                return f"{place}/{name}"
        return None

    def __call__(self, *argv):
        silence = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_WRONLY, 0) for number in (1, 2)]
        pid = os.posix_spawn(self.path(argv[0]), argv, self.environment, file_actions=silence)
        if os.waitpid(pid, 0)[1] != 0:
            raise SystemExit(f"failed: {' '.join(argv)}")


class Floor:
    """No sandbox at all: what starting a program costs the harness."""

    name = "no sandbox (the harness's own floor)"

    def __init__(self, runner):
        self.runner = runner

    def run(self):
        self.runner("echo", "x")


class Namespaces:
    """The bare kernel: a C program that makes every namespace and runs `echo x` in them."""

    name = "bare namespaces, in C"

    def __init__(self, runner, directory):
        self.runner = runner
        source = pathlib.Path(__file__).with_name("floor.c")
        self.program = f"{directory}/floor"
        subprocess.run(["gcc", "-O2", "-static", "-o", self.program, source], check=True)
        runner.environment = runner.environment | {"PATH": f"{directory}:{runner.environment['PATH']}"}

    def run(self):
        self.runner("floor", "/bin/echo", "x")


class Bubblewrap:
    name = "bwrap --unshare-all"
    COMMAND = [
        "bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
        "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
    ]

    def __init__(self, runner):
        self.runner = runner

    def run(self):
        self.runner(*self.COMMAND, "echo", "x")


class Runtime:
    """An OCI runtime with a bundle over the host's /usr."""

    def __init__(self, name, runner, directory, *options):
        self.name = f"{name} run"
        self.exec_name = f"{name} exec"
        self.runner = runner
        self.bundle = pathlib.Path(directory) / name
        self.command = [name, "--root", f"{self.bundle}/state", *options]
        root = self.bundle / "rootfs"
        for part in ("usr", "proc", "dev", "sys", "tmp"):
            (root / part).mkdir(parents=True)
        for part in ("bin", "lib", "lib64"):
            (root / part).symlink_to(f"usr/{part}")
        self.count = 0

    def configure(self, *argv):
        (self.bundle / "config.json").unlink(missing_ok=True)
        self.runner("sh", "-c", f"cd {self.bundle} && {self.command[0]} spec")
        config = json.loads((self.bundle / "config.json").read_text())
        config["process"]["terminal"] = False
        config["process"]["args"] = argv
        config["mounts"].append({"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]})
        (self.bundle / "config.json").write_text(json.dumps(config))

    def prepare(self):
        self.configure("echo", "x")

    def run(self):
        self.count += 1
        self.runner(*self.command, "run", "--bundle", str(self.bundle), f"bench-{os.getpid()}-{self.count}")

    def start(self):
        """A container to run execs in."""
        self.configure("sleep", "600")
        self.container = f"bench-{os.getpid()}-exec"
        self.runner(*self.command, "run", "--detach", "--bundle", str(self.bundle), self.container)

    def execute(self):
        self.runner(*self.command, "exec", self.container, "true")

    def stop(self):
        self.runner(*self.command, "delete", "--force", self.container)


class Docker:
    """`docker run` against a daemon of the benchmark's own, without networks and without touching the firewall."""

    name = "docker run"
    exec_name = "docker exec"
    GROUP = "cordon-bench-docker"

    def __init__(self, runner, directory):
        self.runner = runner
        self.home = pathlib.Path(directory) / "docker"
        self.home.mkdir()
        self.socket = f"unix://{self.home}/socket"
        self.log = open(self.home / "log", "wb")
        self.daemon = subprocess.Popen(
            [
                runner.path("dockerd"), "--host", self.socket, "--data-root", self.home / "data",
                "--exec-root", self.home / "exec", "--pidfile", self.home / "pid", "--bridge", "none",
                "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
                "--cgroup-parent", self.GROUP, "--log-level", "error",
            ], env=runner.environment, stdout=self.log, stderr=self.log)
        self.wait()
        self.load()

    def wait(self):
        for _ in range(300):
            if self.daemon.poll() is not None:
                raise OSError("dockerd doesn't start here: " + (self.home / "log").read_text()[-300:])
            if subprocess.run([self.runner.path("docker"), "--host", self.socket, "version"], capture_output=True,
                              env=self.runner.environment).returncode == 0:
                return
            time.sleep(0.1)
        raise OSError("dockerd doesn't answer")

    def load(self):
        """An image of busybox alone: there is no registry to pull from."""
        root = self.home / "image"
        (root / "bin").mkdir(parents=True)
        (root / "bin/busybox").write_bytes(pathlib.Path(self.runner.path("busybox")).read_bytes())
        (root / "bin/busybox").chmod(0o755)
        for name in ("sh", "echo", "true", "sleep"):
            (root / "bin" / name).symlink_to("busybox")
        archive = subprocess.run(["tar", "-C", root, "-c", "."], check=True, capture_output=True).stdout
        subprocess.run([self.runner.path("docker"), "--host", self.socket, "import", "-", "bench"], input=archive,
                       check=True, capture_output=True, env=self.runner.environment)

    def prepare(self):
        pass

    def run(self):
        self.runner("docker", "--host", self.socket, "run", "--rm", "--network", "none", "bench", "echo", "x")

    def start(self):
        self.runner(
            "docker", "--host", self.socket, "run", "--detach", "--name", "bench", "--network", "none", "bench", "sleep",
            "600")

    def execute(self):
        self.runner("docker", "--host", self.socket, "exec", "bench", "true")

    def stop(self):
        self.runner("docker", "--host", self.socket, "rm", "--force", "bench")

    def down(self):
        self.daemon.terminate()
        self.daemon.wait()
        self.log.close()
        for group in pathlib.Path("/sys/fs/cgroup").glob(f"*/{self.GROUP}"):
            try:
                group.rmdir()
            except OSError as error:
                print(f"  {group} is left: {error}")


def hide_unified_tree():
    """crun refuses a host with v1 controllers and a v2 tree beside them, unless it doesn't see the latter: this process
    goes on, and starts the peers, in a mount namespace without it. Containers then have v1 groups, like runc's."""
    unified = "/sys/fs/cgroup/unified"
    if not os.path.ismount(unified):
        return
    new_mount_namespace, private, recursive = 0x20000, 1 << 18, 1 << 14
    libc = ctypes.CDLL(None, use_errno=True)
    for result in (
        libc.unshare(new_mount_namespace),
        libc.mount(b"none", b"/", None, private | recursive, None),
        libc.umount2(unified.encode(), 0),
    ):
        if result != 0:
            raise OSError(ctypes.get_errno(), "a mount namespace for the peers")
