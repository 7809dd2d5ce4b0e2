"""Processes in different PID namespaces, like those of containers that share a volume."""

import os
import subprocess

import pytest
from harness import PROGRAM, environment

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a PID namespace")


def in_namespace(directory, *arguments):
    """Runs a command in a new PID namespace, like `docker run` with the volume of a service."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", PROGRAM, *arguments]
    return subprocess.run(command, env=environment(directory), capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "command",
    [("queues", "load"), ("queues", "list"), ("store", "check"), ("store", "export"), ("work",), ("events", "retry", "0ddf57d5-b629-4513-ac52-e2b94164a663")],
    ids=lambda words: "-".join(words[:2]),
)
def test_a_store_in_use_is_refused_to_processes_of_another_namespace(serve, command):
    service = serve(RESPONDERS=1)
    result = in_namespace(service.directory, *command)
    (line,) = result.stderr.decode().strip().splitlines()
    assert result.returncode == 1 and "another container" in line and "docker exec" in line and result.stdout == b""
    assert service.hook(service.create(), "x").status == 200
    service.check()


def test_a_store_that_is_not_in_use_can_be_used_from_any_namespace(serve):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    service.stop()
    result = in_namespace(service.directory, "store", "check")
    assert result.returncode == 0 and b"1 endpoints" in result.stdout, result.stderr
    service.start()
    assert service.hook(endpoint, "x").status == 200
    assert in_namespace(service.directory, "store", "check").returncode == 1
    service.check()
