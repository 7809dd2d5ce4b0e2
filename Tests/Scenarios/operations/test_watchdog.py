"""The supervisor replaces processes that do not respond."""

import os
import shutil
import signal
import struct

import pytest
from harness import Senders, compiled, free_port, wait_for
from operations_port import samples


@pytest.fixture(scope="module")
def slow_sync(tmp_path_factory):
    """Tests/Support/slow_sync.c."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    return compiled("slow_sync", tmp_path_factory.mktemp("slow"))


def writer(service):
    """The process that holds the store's write lock; None if no process does."""
    with open(os.path.join(service.directory, "store.mdb-lock"), "rb") as file:
        file.seek(64)
        (word,) = struct.unpack("<I", file.read(4))
    return word & 0x3FFFFFFF or None


def state_of(pid):
    with open("/proc/%d/stat" % pid) as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def stop_the_writer(service, candidates):
    """Stops one of the processes in the middle of a commit; returns it."""

    def stopped():
        holder = writer(service)
        if holder not in candidates:
            return None
        os.kill(holder, signal.SIGSTOP)
        wait_for(lambda: state_of(holder) == "T", pause=0.001)
        if writer(service) == holder:
            return holder
        os.kill(holder, signal.SIGCONT)
        return None

    return wait_for(stopped, 20, 0.003)


def test_a_stopped_process_that_holds_the_write_lock_is_replaced(serve, slow_sync):
    port = free_port()
    service = serve(
        RESPONDERS=2, OPS_SERVER_PORT=port, LD_PRELOAD=slow_sync, SLOW_SYNC_MICROSECONDS=30000, MAX_ENDPOINT_NOTIFICATIONS=100000
    )
    endpoint = service.create()
    responders, workers = service.responders(), service.workers()
    with Senders(service, [endpoint], 4) as senders:
        holder = stop_the_writer(service, responders)
        stopped = len(senders.sent())
        # Processes that wait for the lock are not stuck, and take posts again.
        wait_for(lambda: len(senders.sent()) > stopped + 8, 20)
        wait_for(lambda: len(service.responders()) == 2 and holder not in service.responders())
    assert senders.failures == []
    assert [pid for pid in responders if pid != holder][0] in service.responders() and service.workers() == workers
    assert "a process does not respond" in service.log() and "process=%d" % holder in service.log()
    found = samples(service)
    assert found['postroom_process_restarts_total{process="responder",cause="stuck"}'] == 1
    assert found['postroom_process_restarts_total{process="responder",cause="ended"}'] == 0
    assert sorted(service.bodies(endpoint)) == senders.sent()
    service.check()


def test_a_stopped_worker_is_replaced(serve):
    service = serve(RESPONDERS=1)
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: service.workers() and service.workers() != [worker], 20)
    assert "a process does not respond" in service.log()
    assert service.hook(service.create(), "x").status == 200
