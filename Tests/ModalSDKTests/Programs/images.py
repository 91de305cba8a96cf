"""Images: each builder, caching, logs, errors, files that are added, on a base from a local registry."""

import contextlib
import io
import os
import re
import tarfile
import tempfile
import uuid

import modal
from modal.exception import InvalidError, NotFoundError, RemoteError
from sdk import OLD, app, host, main, once, raises, run, same, sandbox, until

BASE = os.environ["CORDON_SDK_BASE"]


def base():
    return once("base", lambda: modal.Image.from_registry(BASE))


def output(image, *argv, **options):
    """What a command says in a sandbox made from an image."""
    with sandbox(image=image, **options) as box:
        return run(box, *argv)


def check_debian_slim_with_pip():
    # The wheel is in the base: what is shown is that pip ran in the build, and not how PyPI is.
    image = modal.Image.debian_slim("3.11").pip_install("cordon-check", find_links="/wheels", extra_options="--no-index")
    same(output(image, "python", "-c", "import cordon_check; print(cordon_check.ANSWER)"), "42\n")


def check_run_commands_and_settings():
    image = (base().run_commands("echo one > /one", "echo two > /two").env({"COLOR": "it's blue"}).workdir("/srv")
             .entrypoint([]).run_commands("pwd > /place; echo $COLOR > /color"))
    same(output(image, "sh", "-c", "cat /one /two /place /color; echo $COLOR; pwd"),
         "one\ntwo\n/srv\nit's blue\nit's blue\n/srv\n")


def check_same_definition_same_image():
    def make():
        return base().run_commands("cat /proc/sys/kernel/random/uuid > /id")

    first, second = output(make(), "cat", "/id"), output(make(), "cat", "/id")
    same(first, second)
    forced = base().run_commands("cat /proc/sys/kernel/random/uuid > /id", force_build=True)
    assert output(forced, "cat", "/id") != first


def check_build_errors():
    image = base().run_commands("echo before the end; exit 3")
    with raises(RemoteError, "status 3"):
        sandbox(image=image)
    with raises(Exception):
        sandbox(image=modal.Image.from_registry("127.0.0.1:1/none:1"))


def check_logs_of_a_build():
    words = "said-" + uuid.uuid4().hex
    shown = io.StringIO()
    with modal.enable_output(), contextlib.redirect_stdout(shown):
        with contextlib.suppress(Exception):
            sandbox(image=base().run_commands(f"echo {words}; exit 1"))
    assert words in shown.getvalue(), shown.getvalue()[-2000:]


def check_dockerfile():
    with tempfile.TemporaryDirectory() as directory:
        with open(directory + "/Dockerfile", "w") as file:
            file.write(f"FROM {BASE}\n# A remark\nARG WHO=nobody\nCOPY data /data\nRUN echo $WHO > /who\n"
                       "WORKDIR /data\n")
        os.mkdir(directory + "/data")
        with open(directory + "/data/x", "w") as file:
            file.write("x\n")
        image = modal.Image.from_dockerfile(
            directory + "/Dockerfile", context_dir=directory, build_args={"WHO": "you"})
        same(output(image, "sh", "-c", "cat x /who; pwd"), "x\nyou\n/data\n")


def check_dockerfile_commands_with_files():
    with tempfile.TemporaryDirectory() as directory:
        with open(directory + "/tool.sh", "w") as file:
            file.write("#!/bin/sh\necho tool\n")
        os.chmod(directory + "/tool.sh", 0o755)
        image = base().dockerfile_commands("COPY tool.sh /usr/tool", "RUN /usr/tool > /said", context_dir=directory)
        same(output(image, "cat", "/said"), "tool\n")


def check_requirements():
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("cordon-check\n")
        file.flush()
        image = modal.Image.debian_slim("3.11").pip_install_from_requirements(
            file.name, find_links="/wheels", extra_options="--no-index")
        same(output(image, "python", "-c", "import cordon_check; print(cordon_check.ANSWER)"), "42\n")


def tree(directory):
    os.makedirs(directory + "/tree/deep")
    for name, text in (("tree/a.txt", "a\n"), ("tree/deep/b.txt", "b\n")):
        with open(f"{directory}/{name}", "w") as file:
            file.write(text)
    return directory + "/tree"


def check_files_added_at_run_time():
    with tempfile.TemporaryDirectory() as directory:
        local = tree(directory)
        image = host().add_local_dir(local, "/added").add_local_file(local + "/a.txt", "/single/name.txt")
        same(output(image, "cat", "/added/a.txt", "/added/deep/b.txt", "/single/name.txt"), "a\nb\na\n")


def check_files_copied_into_the_image():
    with tempfile.TemporaryDirectory() as directory:
        local = tree(directory)
        image = base().add_local_dir(local, "/copied", copy=True).run_commands("cat /copied/a.txt > /seen")
        same(output(image, "cat", "/seen", "/copied/deep/b.txt"), "a\nb\n")


def check_large_file_added():
    # More than four mebibytes go as a blob over HTTP.
    with tempfile.TemporaryDirectory() as directory:
        with open(directory + "/large", "wb") as file:
            file.write(os.urandom(1 << 20) * 6)
        image = host().add_local_file(directory + "/large", "/large")
        same(output(image, "sh", "-c", "wc -c < /large").strip(), str(6 << 20))


def check_secrets_of_a_build():
    image = base().run_commands("echo ${#HIDDEN} > /length", secrets=[modal.Secret.from_dict({"HIDDEN": "hush"})])
    same(output(image, "sh", "-c", "cat /length; echo [$HIDDEN]"), "4\n[]\n")


def check_image_by_id():
    with sandbox() as box:
        run(box, "sh", "-c", "echo kept > /kept")
        image = box.snapshot_filesystem()
    assert image.object_id.startswith("im-")
    same(output(modal.Image.from_id(image.object_id), "cat", "/kept"), "kept\n")
    with raises((NotFoundError, Exception)):
        sandbox(image=modal.Image.from_id("im-" + "a" * 22))


def check_build_and_publish_new():
    image = base().run_commands("echo published > /p").build(app())
    name = "published-" + uuid.uuid4().hex[:8]
    image.publish(name)
    same(output(modal.Image.from_name(name), "cat", "/p"), "published\n")
    with raises(NotFoundError):
        sandbox(image=modal.Image.from_name(name + "-not"))


def check_scratch_new():
    with sandbox() as box:
        box.mount_image("/empty", modal.Image.from_scratch())
        same(run(box, "ls", "/empty"), "")


def check_uv():
    image = modal.Image.debian_slim("3.11").uv_pip_install(
        "cordon-check", find_links="/wheels", extra_options="--no-index")
    same(output(image, "python", "-c", "import cordon_check; print(cordon_check.ANSWER)"), "42\n")


def check_add_python():
    image = modal.Image.from_registry(BASE, add_python="3.12")
    with raises(Exception, "modal_python_directory") as refused:
        sandbox(image=image)
    # The error says which archive is missing; this one is as the real ones are, with a Python that only says its name.
    archive = re.search(r"python-build-standalone\S+?\.tar\.gz", str(refused.error)).group()
    with tarfile.open(f"{os.environ['CORDON_SDK_PYTHONS']}/{archive}", "w:gz") as tar:
        program = b"#!/bin/sh\necho standalone\n"
        entry = tarfile.TarInfo("python/bin/python3")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
    same(output(modal.Image.from_registry(BASE, add_python="3.12"), "/usr/local/bin/python3"), "standalone\n")


def check_what_is_not_served():
    with raises(Exception, "served"):
        sandbox(image=base().run_commands("true", gpu="T4"))


def check_deleted_image():
    image = base().run_commands("echo gone > /gone")
    with sandbox(image=image):
        pass
    modal.experimental.image_delete(image.object_id)
    with raises(Exception):
        sandbox(image=modal.Image.from_id(image.object_id))


if __name__ == "__main__":
    import modal.experimental
    main(globals())
