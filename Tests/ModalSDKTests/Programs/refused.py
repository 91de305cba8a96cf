"""What Cordon doesn't have is refused with a sentence that names it. Prints the name of each, as `refused: NAME`."""

import sys

import modal
from modal._outbound_policy import OutboundPolicy
from modal.exception import UnimplementedError
from sdk import app, host, main, once, raises, sandbox


def box():
    return once("box", lambda: modal.Sandbox.create("sleep", "1000", app=app(), image=host(), timeout=600))


def refused(name, text, call):
    """Calls that are answered with UNIMPLEMENTED, and this text in the answer."""
    with raises(UnimplementedError, text):
        call()
    # In one piece: checks run side by side.
    sys.stdout.write(f"refused: {name}\n")
    sys.stdout.flush()


def check_options_of_sandboxes():
    for name, text, options in (
            ("GPUs", "GPU", {"gpu": "T4"}),
            ("memory snapshots and restores", "memory snapshots", {"_experimental_enable_snapshot": True}),
            ("runtimes that a client chooses", "runtime", {"runtime": "vm"}),
            ("custom domains", "custom domains", {"custom_domain": "example.com"}),
            ("identity tokens", "identity tokens", {"include_oidc_identity_token": True}),
            ("Docker in sandboxes (the option enable_docker)", "experimental options",
             {"experimental_options": {"enable_docker": True}}),
            ("exit snapshots", "experimental options", {"experimental_options": {"enable_exit_snapshot": True}}),
    ):
        refused(name, text, lambda: sandbox(**options))


def check_calls_of_sandboxes():
    with sandbox() as directory:
        directory.filesystem.make_directory("/d")
        refused("encryption keys of a client's own", "encryption keys",
                lambda: directory.snapshot_directory("/d", _experimental_encryption_key=b"k" * 32))
    refused("private networks between containers (i6pn)", "i6pn",
            lambda: modal.Sandbox._experimental_create(app=app(), image=host(), i6pn=True))
    policy = OutboundPolicy().with_header_replacement(domain="example.com", headers={"x-key": "value"})
    refused("outbound policies that rewrite headers", "rewrite headers", lambda: sandbox(_experimental_outbound_policy=policy))
    refused("statistics", "statistics", lambda: box()._experimental_stats())
    with raises(UnimplementedError):
        box()._experimental_snapshot()
    with raises(UnimplementedError):
        box()._experimental_get_exit_snapshot(timeout=0)


def check_persistent_sandboxes():
    refused("persistent sandboxes", "persistent", lambda: sandbox(_experimental_persistent=True, timeout=None))


def check_other_objects():
    refused("queues", "queues", lambda: modal.Queue.from_name("q", create_if_missing=True).len())
    refused("dicts", "dicts", lambda: modal.Dict.from_name("d", create_if_missing=True).len())
    refused("network file systems", "network file systems",
            lambda: modal.NetworkFileSystem.from_name("n", create_if_missing=True).listdir("/"))
    refused("functions", "functions", lambda: modal.Function.from_name("checks", "f").remote())


if __name__ == "__main__":
    main(globals(), workers=2)
