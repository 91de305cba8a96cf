"""Secrets, environments, volumes and other things with names."""

import io
import os
import tempfile
import uuid

import modal
from modal.exception import AlreadyExistsError, InvalidError, NotFoundError
from sdk import OLD, app, host, main, raises, run, same, sandbox


def name(kind):
    return f"{kind}-{uuid.uuid4().hex[:8]}"


# Secrets


def check_named_secret():
    own = name("secret")
    modal.Secret.objects.create(own, {"A": "1", "B": "2"})
    secret = modal.Secret.from_name(own, required_keys=["A"])
    with sandbox(secrets=[secret]) as box:
        same(run(box, "sh", "-c", "echo $A $B"), "1 2\n")
    with raises(AlreadyExistsError):
        modal.Secret.objects.create(own, {"A": "3"})
    modal.Secret.objects.create(own, {"A": "3"}, allow_existing=True)
    assert own in [secret.name for secret in modal.Secret.objects.list()]
    modal.Secret.objects.delete(own)
    with raises(NotFoundError):
        sandbox(secrets=[modal.Secret.from_name(own)])


def check_missing_key():
    own = name("secret")
    modal.Secret.objects.create(own, {"A": "1"})
    with raises(NotFoundError, "MISSING"):
        sandbox(secrets=[modal.Secret.from_name(own, required_keys=["MISSING"])])


def check_secret_is_changed_new():
    own = name("secret")
    modal.Secret.objects.create(own, {"A": "1", "B": "2"})
    secret = modal.Secret.from_name(own)
    secret.update({"A": "changed", "C": "3"})
    with sandbox(secrets=[secret]) as box:
        same(run(box, "sh", "-c", "echo $A $B $C"), "changed 2 3\n")


def check_pages_of_secrets():
    names = {name("page") for _ in range(12)}
    for own in names:
        modal.Secret.objects.create(own, {"A": "1"})
    listed = [secret.name for secret in modal.Secret.objects.list()]
    assert names <= set(listed) and len(listed) == len(set(listed)), listed


# Environments


def check_environment_of_its_own():
    own = name("secret")
    environment = name("env")
    with raises(NotFoundError):
        modal.Secret.objects.create(own, {"A": "1"}, environment_name=environment)
    from modal.environments import create_environment, delete_environment, list_environments
    create_environment(environment)
    assert environment in [item.name for item in list_environments()]
    modal.Secret.objects.create(own, {"A": "1"}, environment_name=environment)
    with raises(NotFoundError):
        sandbox(secrets=[modal.Secret.from_name(own)])
    with sandbox(secrets=[modal.Secret.from_name(own, environment_name=environment)]) as box:
        same(run(box, "printenv", "A"), "1\n")
    modal.Secret.objects.delete(own, environment_name=environment)
    delete_environment(environment)


# What isn't served says so


def check_queue_and_dict():
    for kind in (modal.Queue, modal.Dict):
        with raises(Exception, "served"):
            kind.from_name(name("thing"), create_if_missing=True).len()


def check_proxy():
    with raises(NotFoundError):
        sandbox(proxy=modal.Proxy.from_name(name("proxy")))


if __name__ == "__main__":
    main(globals())
