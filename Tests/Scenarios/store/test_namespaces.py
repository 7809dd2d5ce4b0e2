"""Processes of several PID namespaces, as in containers that share a volume."""

import os
import subprocess

import pytest
from harness import PROGRAM, environment

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a namespace of its own needs root")


def elsewhere(directory, *arguments):
    """Runs a subcommand in a PID namespace of its own, as `docker run` does with a volume that a service uses."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", PROGRAM, *arguments]
    return subprocess.run(command, env=environment(directory), capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "command",
    [("queues", "load"), ("queues", "list"), ("store", "check"), ("store", "export"), ("work",), ("events", "retry", "0ddf57d5-b629-4513-ac52-e2b94164a663")],
    ids=lambda words: "-".join(words[:2]),
)
def test_a_store_in_use_is_refused_to_processes_of_another_namespace(serve, command):
    service = serve(RESPONDERS=1)
    result = elsewhere(service.directory, *command)
    (line,) = result.stderr.decode().strip().splitlines()
    assert result.returncode == 1 and "another container" in line and "docker exec" in line and result.stdout == b""
    assert service.hook(service.create(), "x").status == 200
    service.check()


def test_a_store_that_nobody_uses_can_be_used_from_any_namespace(serve):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    service.stop()
    result = elsewhere(service.directory, "store", "check")
    assert result.returncode == 0 and b"1 endpoints" in result.stdout, result.stderr
    service.start()
    assert service.hook(endpoint, "x").status == 200
    assert elsewhere(service.directory, "store", "check").returncode == 1
    service.check()
