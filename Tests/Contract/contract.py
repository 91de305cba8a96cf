"""A running service against its contract: thousands of requests that schemathesis makes from openapi.yaml, good and bad.

usage: contract.py [directory of the built programs]; see `make contract`. What schemathesis finds is made by chance:
this isn't one of the tests that `make test` runs.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "bench"))
from service import Service  # noqa: E402

PACKAGE = "schemathesis==4.32.5"
# Everything but that each request which fits the schemas succeeds: that a name is taken, an exec over or a field only
# good beside another is not for a schema to say.
CHECKS = ",".join([
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "ignored_auth", "use_after_free", "ensure_resource_availability",
])
# What isn't served yet says so with 501.
# What breaks a rule is refused with any of 4xx: also as too large a head.
SETTINGS = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501]
[checks.negative_data_rejection]
expected-statuses = ["4xx", 501]
"""
# WebSockets, answers that take as long as they like, or as another server does, and bodies of a type that it can't make.
SLOW = "(attach|events|wait|images/pull|watch|archive)$"
FOLLOWED = "(attach|events|wait|stdout|stderr|watch|archive)$"


def check(service, folder, settings, *options):
    (folder / "schemathesis.toml").write_text(SETTINGS + settings)
    url = f"http://{service.host}"
    return subprocess.run(
        [
            folder / "python/bin/schemathesis", "--config-file", folder / "schemathesis.toml", "run",
            f"{url}/openapi.yaml", "--url", url, "--header", f"Authorization: Bearer {service.token}", "--checks", CHECKS,
            "--max-examples", "20", "--max-time", "120", "--suppress-health-check", "all", "--workers", "2",
            "--request-timeout", "60", *options,
        ], cwd=folder).returncode


def main():
    programs = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".build/release").resolve()
    with tempfile.TemporaryDirectory() as home:
        folder = pathlib.Path(home)
        subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
        subprocess.run([folder / "python/bin/pip", "install", "-q", "--disable-pip-version-check", PACKAGE], check=True)
        service = Service(programs)
        try:
            failed = check(service, folder, "", "--exclude-path-regex", SLOW)
            # The same with ids of a sandbox and an exec that are there.
            connection = service.connection()
            sandbox = connection.create(timeout_seconds=900)
            exec = connection.start(sandbox, "sleep", "600")
            parameters = f'[parameters]\n"path.id" = "{sandbox}"\n"path.exec" = "{exec}"\n'
            failed |= check(
                service, folder, parameters, "--exclude-path-regex", FOLLOWED, "--exclude-method", "DELETE",
                "--include-path-regex", "{id}")
        finally:
            service.down()
    sys.exit(failed)


os.environ.setdefault("NO_COLOR", "1")
main()
