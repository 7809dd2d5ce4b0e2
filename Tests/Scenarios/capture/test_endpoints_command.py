"""`postroom endpoints wait`."""

import json
import os
import signal
import subprocess

import pytest
from harness import PROGRAM, environment, postroom, wait_for


def wait(service, endpoint, *arguments):
    return postroom(service.directory, "endpoints", "wait", endpoint, *arguments, **service.settings)


def begin(service, endpoint, *arguments):
    command = [PROGRAM, "endpoints", "wait", endpoint, *arguments]
    return subprocess.Popen(
        command, env=environment(service.directory, **service.settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def waits(service, process):
    """Returns when the command has a connection to the service, and the service waits with it."""
    wait_for(lambda: any("socket:" in os.readlink("/proc/%d/fd/%s" % (process.pid, fd))
                         for fd in os.listdir("/proc/%d/fd" % process.pid)))
    service.come_to_rest()


def test_the_first_that_matches_is_printed(shared, endpoint):
    for body in ('{"order": 1}', '{"order": 17, "name": "gr\u00fc\u00df"}', '{"order": 17}'):
        shared.hook(endpoint, body.encode())
    shown = shared.look(endpoint).json()["notifications"]
    result = wait(shared, endpoint, "--match", "$[?@.order == 17]")
    assert (result.returncode, result.stderr) == (0, b"") and json.loads(result.stdout) == shown[1]
    result = wait(shared, endpoint, "--match", "$[?@.order == 17]", "--after", "2")
    assert result.returncode == 0 and json.loads(result.stdout) == shown[2]
    assert shared.look(endpoint).json()["notifications"] == shown


def test_it_waits_for_a_notification_that_matches(shared, endpoint):
    process = begin(shared, endpoint, "--match", "$.json.done", "--timeout", "50")
    waits(shared, process)
    shared.hook(endpoint, '{"step": 1}')
    assert process.poll() is None
    shared.hook(endpoint, '{"done": null}')
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"") and json.loads(out)["id"] == 2


def test_a_long_notification_is_printed_whole(shared, endpoint):
    body = json.dumps({"id": 7, "text": "]}\r\n\r\n" * 100_000})
    shared.hook(endpoint, body)
    result = wait(shared, endpoint, "--match", "$[?@.id == 7]", "--timeout", "0")
    assert result.returncode == 0 and json.loads(result.stdout)["body"] == body


def test_after_the_time_the_status_is_1(shared, endpoint):
    shared.hook(endpoint, "{}")
    result = wait(shared, endpoint, "--match", "$.json.done", "--timeout", "0.3")
    assert (result.returncode, result.stdout) == (1, b"")
    assert "no notification of endpoint %s has matched within 0.3 seconds" % endpoint in result.stderr.decode()


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (["--match", "$["], 64, "--match is not valid"),
        (["--match", "json"], 64, "--match is not valid"),
        ([], 64, "--match"),
        (["--match", "$", "--timeout", "-1"], 64, "--timeout"),
        (["--match", "$", "--timeout", "soon"], 64, "--timeout"),
        (["--match", "$", "--after", "x"], 64, "--after"),
    ])
def test_errors_say_what_is_wrong(shared, endpoint, arguments, status, message):
    result = wait(shared, endpoint, *arguments)
    assert result.returncode == status and message in result.stderr.decode() and result.stdout == b""


@pytest.mark.parametrize("name", ["nobody", "a/../../b", "\u00e9 x?"])
def test_an_unknown_endpoint_is_an_error(shared, name):
    result = wait(shared, name, "--match", "$")
    assert result.returncode == 1 and "does not exist" in result.stderr.decode() and result.stdout == b""


def test_without_a_service_the_error_says_so(tmp_path):
    result = postroom(tmp_path, "endpoints", "wait", "x", "--match", "$")
    assert result.returncode == 1 and "no service answers" in result.stderr.decode()


def test_it_waits_over_a_crash_of_responders_below_a_mount_point(serve):
    service = serve(MOUNT_POINT="/hub", RESPONDERS=1)
    endpoint = service.create()
    process = begin(service, endpoint, "--match", "$.json.done")
    waits(service, process)
    (responder,) = service.responders()
    os.kill(responder, signal.SIGKILL)
    wait_for(lambda: service.responders() not in ([], [responder]))
    assert process.poll() is None
    wait_for(lambda: service.hook(endpoint, '{"done": 1}').status == 200)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and json.loads(out)["id"] == 1, err
