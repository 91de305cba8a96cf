"""Images while parts of the service are killed: what was answered stays and starts, and nothing is orphaned.

`workload CONTROL SEED` pulls, imports, builds, snapshots, mounts, removes and collects until CONTROL/stop appears, and
then, when nothing is killed any more, looks at what is there.
"""

import os
import random
import tempfile
import threading
import time
import traceback
import uuid

from cordon_rest import *
from registry_side import DIRECTORY, FILE, Layout, Registry, busybox

STORAGE = DATA_DIRECTORY + "/storage"
# What a request is answered with that a kill has cut off.
BROKEN_OFF = ("aborted", "unavailable", "internal", "resource_exhausted", "failed_precondition", "deadline_exceeded")


class Workload:
    def __init__(self, control, seed):
        self.control, self.seed = control, int(seed)
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.failures, self.counts = [], {}
        # Images that were answered and are to stay: what proves one, by its id.
        self.kept = {}

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def persist(self, method, path, *statuses, **arguments):
        """Asks until the answer is one of these; what a kill may have cut off is asked again."""
        last = None
        end = time.monotonic() + 90
        while time.monotonic() < end:
            last = patiently(method, path, **arguments)
            if last.status_code in statuses:
                return last
            assert last.json().get("code") in BROKEN_OFF, (method, path, arguments, last.status_code, last.text)
            self.count("repeats")
            time.sleep(0.05)
        raise AssertionError(f"{method} {path}: {last.status_code} {last.text} for 90 s")

    def keep(self, what, image, path, text):
        self.count(what)
        with self.lock:
            self.kept[image["id"]] = (path, text)

    # What runs at the same time, each step on and on.

    def pull(self, chance):
        reference = self.registry.name + chance.choice(["/small:1", "/base:1"])
        image = self.persist("POST", "/v1/images/pull", 200, json={"reference": reference}).json()
        self.count("pulls")
        if chance.random() < 0.7:
            self.persist("DELETE", f"/v1/images/{image['id']}", 200, 404)

    def import_archive(self, chance):
        with tempfile.TemporaryDirectory() as directory:
            layout, text = Layout(directory), uuid.uuid4().hex
            upper = layout.layer([("marker", FILE, text.encode(), 0o644, 0), ("more", DIRECTORY, "", 0o755, 0)]
                                 + [(f"more/{n}", FILE, os.urandom(3000), 0o644, 0) for n in range(60)])
            layout.image(f"crash:{text}", [self.base(layout), upper], Env=["PATH=/bin"])
            done = self.persist("POST", "/v1/images/import", 200, data=layout.tar(),
                                headers={"Content-Type": "application/octet-stream"}).json()
        self.keep("imports", done["images"][0], "/marker", text)

    def build(self, chance):
        text = uuid.uuid4().hex
        recipe = f"FROM host\nRUN head -c 3M /dev/urandom > /srv/much\nRUN echo {text} > /srv/marker\n"
        image = self.persist("POST", "/v1/images/build", 200, json={"dockerfile": recipe}).json()
        self.keep("builds", image, "/srv/marker", text + "\n")

    def snapshot(self, chance):
        """The client's own id: a repeat gives the image that the first time made, of the marker of that time."""
        text, key = uuid.uuid4().hex, str(uuid.uuid4())
        self.persist("PUT", f"/v1/sandboxes/{self.sandbox}/files", 200, 201, 204, params={"path": "/srv/marker"},
                     data=text.encode(), headers={"Content-Type": "application/octet-stream"})
        image = self.persist("POST", f"/v1/sandboxes/{self.sandbox}/snapshots", 201, json={"snapshot_id": key}).json()
        again = self.persist("POST", f"/v1/sandboxes/{self.sandbox}/snapshots", 201, json={"snapshot_id": key}).json()
        same(again["id"], image["id"], "a repeated snapshot")
        self.keep("snapshots", image, "/srv/marker", text)

    def mount(self, chance):
        """Whatever is killed in between: what can't be mounted because it is there can be unmounted."""
        place = {"path": "/mnt/" + chance.choice("ab")}
        answer = None
        end = time.monotonic() + 90
        while answer is None or answer.json()["code"] in BROKEN_OFF:
            assert time.monotonic() < end, answer.text
            answer = patiently("POST", f"/v1/sandboxes/{self.sandbox}/mounts", json=place)
            if answer.status_code == 204:
                break
        assert answer.status_code == 204 or answer.json()["code"] == "already_exists", answer.text
        self.persist("DELETE", f"/v1/sandboxes/{self.sandbox}/mounts", 204, 404, params=place)
        self.count("mounts")

    def collect(self, chance):
        self.persist("POST", "/v1/images/collect", 200)
        self.count("collections")
        time.sleep(chance.random())

    def remove(self, chance):
        """Some that were kept go again."""
        with self.lock:
            id = chance.choice(list(self.kept)) if len(self.kept) > 6 else None
            if id:
                del self.kept[id]
        if id:
            self.persist("DELETE", f"/v1/images/{id}", 200, 404)
            self.count("removals")
        time.sleep(0.2 + chance.random())

    def repeat(self, step, number):
        chance = random.Random(self.seed * 100 + number)
        try:
            while not self.stopping.is_set() and not self.failures:
                step(chance)
        except BaseException:  # Told below, on the thread that waits.
            self.failures.append(step.__name__ + ": " + traceback.format_exc())
            open(self.control + "/failed", "w").close()

    def run(self):
        with tempfile.TemporaryDirectory() as directory, Registry(directory) as self.registry:
            layout = Layout(directory + "/layout")
            busybox(layout)
            for name in ("small", "base"):
                self.registry.push(layout, name)
            program = open("/bin/busybox", "rb").read()
            self.base = lambda layout: layout.layer(
                [("bin", DIRECTORY, "", 0o755, 0), ("bin/busybox", FILE, program, 0o755, 0), ("bin/cat", FILE, program, 0o755, 0)])
            self.sandbox = self.persist("POST", "/v1/sandboxes", 201, json={"timeout_seconds": 900},
                                        headers={"Idempotency-Key": "the-one"}).json()["id"]
            steps = [self.pull, self.import_archive, self.build, self.snapshot, self.mount, self.collect, self.remove]
            threads = [threading.Thread(target=self.repeat, args=(step, n)) for n, step in enumerate(steps)]
            for thread in threads:
                thread.start()
            open(self.control + "/started", "w").close()
            while not os.path.exists(self.control + "/stop"):
                time.sleep(0.05)
            self.stopping.set()
            for thread in threads:
                thread.join()
        assert not self.failures, "\n".join(self.failures)

    # Afterwards.

    def look(self):
        listed = {image["id"]: image for image in self.images()}
        for id, (path, text) in self.kept.items():
            assert id in listed, f"image {id} is lost ({path})"
        for id, (path, text) in random.Random(self.seed).sample(list(self.kept.items()), min(8, len(self.kept))):
            made = expect(call("POST", "/v1/sandboxes", json={"image": id}), 201).json()["id"]
            same(complete(made, "cat", path)["stdout"], text, f"what is in {id}")
            terminate(made)
        terminate(self.sandbox)
        expect(call("POST", "/v1/images/collect"), 200)
        self.nothing_else(sorted({layer for image in listed.values() for layer in image["layers"]}))
        for id in listed:
            expect(call("DELETE", f"/v1/images/{id}"), 200)
        expect(call("POST", "/v1/images/collect"), 200)
        self.nothing_else([])

    def images(self):
        images, cursor = [], None
        while True:
            page = expect(call("GET", "/v1/images", params={"cursor": cursor} if cursor else {}), 200).json()
            images += page["images"]
            cursor = page.get("next_cursor")
            if not cursor:
                return images

    def nothing_else(self, layers):
        """The disk holds these layers, and nothing of what was broken off."""
        service = DATA_DIRECTORY + "/service"
        wanted = {STORAGE + "/layers": layers, STORAGE + "/trash": [], service + "/blobs": [], service + "/contexts": []}
        end = time.monotonic() + 60
        for directory, names in wanted.items():
            # What is removed is removed in the background.
            while sorted(os.listdir(directory)) != names:
                assert time.monotonic() < end, (directory, sorted(set(os.listdir(directory)) ^ set(names)))
                time.sleep(0.1)


def workload(control, seed):
    work = Workload(control, seed)
    work.run()
    work.look()
    print(", ".join(f"{count} {what}" for what, count in sorted(work.counts.items())))
    for what in ("pulls", "imports", "builds", "snapshots", "mounts", "collections"):
        assert work.counts.get(what), f"no {what} in between: {work.counts}"


run_check({"workload": workload})
