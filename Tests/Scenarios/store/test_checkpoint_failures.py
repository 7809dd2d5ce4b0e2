"""Checkpoints that fail for another reason than the disk."""

import collections
import os

from harness import free_port, wait_for
from operations_port import samples

FAILING = "checkpoints of this process fail"


def test_checkpoints_that_fail_are_logged_once_and_again_when_they_succeed(serve):
    service = serve(RESPONDERS=2, OPS_SERVER_PORT=free_port())
    endpoint = service.create()
    lock = os.path.join(service.directory, "store.checkpoint.lock")
    wait_for(lambda: os.path.exists(lock))
    os.remove(lock)
    os.mkdir(lock)
    assert service.hook(endpoint, "x").status == 200
    wait_for(lambda: FAILING in service.log())
    # They are tried every second from the fifth on.
    wait_for(lambda: samples(service)["postroom_checkpoint_age_seconds"] > 8)
    assert service.hook(endpoint, "y").status == 200
    os.rmdir(lock)
    wait_for(lambda: "checkpoints of this process succeed again" in service.log())
    lines = [line for line in service.log().splitlines() if FAILING in line]
    assert all('reason="flock: Is a directory"' in line for line in lines), lines
    # "TIME error responder NUMBER: ..."
    times = collections.Counter(tuple(line.split()[2:4]) for line in lines)
    assert set(times.values()) == {1}, lines
    assert samples(service)["postroom_checkpoint_age_seconds"] < 8
    service.check()
