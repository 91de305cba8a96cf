"""What a sandbox can be created with, and changed to while it runs: places, networks, names, ports, terminals."""

import uuid

import modal
from modal.exception import AlreadyExistsError, InvalidError, NotFoundError
from sdk import OLD, ConflictError, V2, app, host, main, raises, run, same, sandbox, until

# What the older SDK calls a list of addresses.
CIDRS = "cidr_allowlist" if OLD else "outbound_cidr_allowlist"


def check_places():
    for region in ("us", "eu-west", "us-east-1", ["us-east-1", "us-ashburn-1"]):
        with sandbox("true", cloud="aws", region=region, verbose=True) as box:
            box.wait()
            same(box.returncode, 0)
    with raises(Exception if OLD else InvalidError, "invalid-cloud"):
        sandbox(cloud="invalid-cloud")
    with raises(Exception if OLD else InvalidError, "invalid-region"):
        sandbox(region="invalid-region")


def check_allowlists():
    for ranges in ([], ["198.51.100.0/24"], ["198.51.100.1/32", "2001:db8::/32"]):
        with sandbox(**{CIDRS: ranges}) as box:
            same(run(box, "echo", "listed"), "listed\n")
    with raises(Exception if OLD else InvalidError, "198.51.100.0/99"):
        sandbox(**{CIDRS: ["198.51.100.0/99"]})
    with raises(InvalidError):
        sandbox(block_network=True, **{CIDRS: ["198.51.100.0/24"]})


def check_domains_new():
    with sandbox(outbound_domain_allowlist=["example.com", "*.example.org"], outbound_cidr_allowlist=["198.51.100.0/24"]) as box:
        same(run(box, "echo", "listed"), "listed\n")
    with raises(InvalidError, "not a domain"):
        sandbox(outbound_domain_allowlist=["not a domain"])


def check_who_may_come_in_new():
    with sandbox(inbound_cidr_allowlist=["127.0.0.0/8"], encrypted_ports=[8000]) as box:
        same(list(box.tunnels()), [8000])
    with raises(InvalidError, "127.0.0.1/8"):
        sandbox(inbound_cidr_allowlist=["127.0.0.1/8"], encrypted_ports=[8000])
    with raises(InvalidError):
        sandbox(inbound_cidr_allowlist=["127.0.0.0/8"], block_network=True)


def check_ports_of_a_blocked_network():
    for ports in ("encrypted_ports", "h2_ports", "unencrypted_ports"):
        with raises(Exception):
            sandbox(block_network=True, **{ports: [8000]})


def check_network_is_changed_new():
    with sandbox() as box:
        for policy in ({"outbound_cidr_allowlist": ["198.51.100.0/24"]}, {"outbound_domain_allowlist": ["example.com"]},
                       {"outbound_cidr_allowlist": []}, {}):
            box._experimental_set_outbound_network_policy(**policy)
        with raises(InvalidError, "198.51.100.0/99"):
            box._experimental_set_outbound_network_policy(outbound_cidr_allowlist=["198.51.100.0/99"])
        same(run(box, "echo", "alive"), "alive\n")
    box.wait(raise_on_termination=False)
    with raises(Exception):
        box._experimental_set_outbound_network_policy()


def check_name_is_given_later_v2():
    name = "later-" + uuid.uuid4().hex[:8]
    with sandbox() as box, sandbox() as other:
        with raises(InvalidError):
            box._experimental_set_name("not a name!")
        box._experimental_set_name(name)
        box._experimental_set_name(name)
        same(modal.Sandbox.from_name("checks", name).object_id, box.object_id)
        with raises(ConflictError):
            box._experimental_set_name(name + "-other")
        with raises(AlreadyExistsError):
            other._experimental_set_name(name)
    box.wait(raise_on_termination=False)
    with raises(ConflictError):
        box._experimental_set_name(name)
    with raises(NotFoundError):
        modal.Sandbox.from_name("checks", name)


def check_no_identity_without_asking():
    with sandbox() as box:
        same(box.exec("printenv", "MODAL_IDENTITY_TOKEN").wait(), 1)


def check_terminal_of_the_main_command():
    with sandbox("sh", "-c", "test -t 0 && test -t 1 && stty size", pty=True) as box:
        box.wait()
        same((box.stdout.read().replace("\r", ""), box.returncode), ("24 80\n", 0))


def check_an_app_is_needed():
    with raises(InvalidError):
        modal.Sandbox.create(image=host())


def check_values_without_sense():
    for options in ({"cpu": -1.0}, {"cpu": (2.0, 1.0)}, {"memory": -1}, {"memory": (256, 128)}, {"gpu": ["T4", "L4"]},
                    {"encrypted_ports": [0]}, {"encrypted_ports": [70_000]}, {"name": "not a name!"}, {"timeout": 10 ** 7}):
        with raises(Exception):
            sandbox(**options)
    for port in (0, 65_536, "8080"):
        with sandbox() as box:
            if not OLD:
                with raises(InvalidError):
                    box.create_connect_token(port=port)


def check_output_that_nobody_reads():
    with sandbox("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 3") as box:
        box.wait()
        same(box.returncode, 3)
        same(len(box.stdout.read()), 3_000_000)
        same(box.stdout.read(), "")


def check_stdin_after_the_end():
    with sandbox("cat") as box:
        box.stdin.write("x")
        box.stdin.drain()
        box.terminate()
        box.wait(raise_on_termination=False)
        with raises(ValueError):
            box.stdin.write("late")
            box.stdin.drain()


def check_detached_v2():
    """What a detached handle can't do any more, each of it."""
    box = sandbox("sleep", "1000").made
    box.detach()
    calls = (lambda: box.exec("true"), box.tunnels, box.get_tags, lambda: box.set_tags({}), box.terminate, box.poll,
             box.reload_volumes, box.snapshot_filesystem, lambda: box.snapshot_directory("/tmp"), box.create_connect_token,
             lambda: box.unmount_image("/x"), box.wait_until_ready, lambda: box.filesystem.read_text("/x"),
             box._experimental_set_outbound_network_policy)
    for call in calls:
        with raises(modal.exception.ClientClosed):
            call()
    again = modal.Sandbox.from_id(box.object_id)
    same(again.terminate(wait=True), 137)
    again.detach()
    box.wait(raise_on_termination=False)
    same(box.returncode, 137)


if __name__ == "__main__":
    main(globals())
