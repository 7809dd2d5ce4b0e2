"""Commands that are stopped while they hold a lock: the supervisor names and ends them, and the service goes on."""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import PROGRAM, environment, wait_for


class Held:
    """`postroom queues load`, which the faults of the disk apply to."""

    def __init__(self, service, faults):
        with open(os.path.join(service.directory, "options.conf"), "w") as file:
            json.dump({"listen_host": "x", "listen_port": 1, "users": [], "queues": [{"name": "a"}]}, file)
        self.service = service
        self.process = subprocess.Popen(
            [PROGRAM, "queues", "load"], env=environment(service.directory, **faults.settings), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def stop_in(self, faults, field):
        """Stops it while the faults hold it."""
        wait_for(lambda: getattr(faults, field) == self.process.pid)
        os.kill(self.process.pid, signal.SIGSTOP)

    def check_end(self, reason):
        """The supervisor has ended it; both say why."""
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 75 and b"the service has ended this command" in errors
        (line,) = [line for line in self.service.log().splitlines() if "ending it" in line]
        assert "process=%d" % self.process.pid in line and "queues load" in line and reason in line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_a_command_that_is_stopped_in_a_commit_is_ended(serve, faults, pool):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    processes = service.responders() + service.workers()
    faults.store.holds_writes = 1
    with Held(service, faults) as command:
        command.stop_in(faults.store, "writer")
        posts = [pool.submit(service.hook, endpoint, "x") for _ in range(4)]
        command.check_end("stopped by a signal while it holds the store's write lock")
        assert [post.result(20).status for post in posts] == [200] * 4
    assert service.responders() + service.workers() == processes
    assert len(service.bodies(endpoint)) == 4
    service.check()


def test_a_command_that_is_stopped_in_a_checkpoint_is_ended(serve, faults):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    # A command that joins waits for a checkpoint of what was committed.
    assert service.hook(endpoint, "x").status == 200
    faults.store.holds_syncs = 1
    with Held(service, faults) as command:
        command.stop_in(faults.store, "syncer")
        command.check_end("stopped by a signal while it holds the store's lock of its checkpoints")
    faults.release()
    # Others make checkpoints again, and open the store.
    with Held(service, faults) as command:
        assert command.process.wait(20) == 0
    assert service.hook(endpoint, "x").status == 200
    service.check()


def test_a_command_that_runs_with_the_write_lock_is_named_and_left_alone(serve, faults, pool):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    faults.store.holds_writes = 1
    with Held(service, faults) as command:
        wait_for(lambda: faults.store.writer == command.process.pid)
        post = pool.submit(service.hook, endpoint, "x")
        wait_for(lambda: "holds the store's write lock, and all requests wait for it" in service.log(), 30)
        assert "process=%d" % command.process.pid in service.log() and "queues load" in service.log()
        faults.release()
        assert command.process.wait(20) == 0 and post.result(20).status == 200
    assert "ending it" not in service.log()
