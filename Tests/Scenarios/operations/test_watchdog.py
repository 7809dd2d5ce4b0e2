"""The supervisor replaces processes that end or do not respond."""

import contextlib
import os
import shutil
import signal
import struct
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pytest
from harness import Senders, compiled, free_port, together, wait_for
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


def kill_until_paused(service, victims, pause, spared=()):
    """Kills all responders but the spared ones whenever they run, until the restart of each victim is paused that long."""

    def kill():
        pids = [pid for pid in service.responders() if pid not in spared]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids and service.log().count("pause=%s\n" % pause) >= victims

    wait_for(kill, 60)


def test_no_request_waits_for_a_paused_restart_while_another_responder_runs(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    spared = service.responders()[0]
    kill_until_paused(service, 1, 6.4, [spared])
    # The long bodies do not fit in the buffer of a socket.
    bodies = ["%d" % index * (1 if index % 2 else 1 << 20) for index in range(20)]
    answers = together(20, lambda index: service.hook(endpoint, bodies[index]).status)
    assert answers == [200] * 20 and service.responders() == [spared]
    assert sorted(service.bodies(endpoint)) == sorted(bodies) and service.responders() == [spared]

    wait_for(lambda: len(service.responders()) == 2)
    os.kill(spared, signal.SIGSTOP)
    with ThreadPoolExecutor(4) as pool:
        looks = [pool.submit(service.look, endpoint) for _ in range(4)]
        wait(looks, return_when=FIRST_COMPLETED)
        # The responder that was started again has answered.
        assert state_of(spared) == "T"
        os.kill(spared, signal.SIGCONT)
    assert [look.result().status for look in looks] == [200] * 4 and spared in service.responders()


def test_requests_wait_for_a_paused_restart_if_no_responder_runs(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    kill_until_paused(service, 2, 3.2)
    assert together(8, lambda index: service.hook(endpoint, "x").status) == [200] * 8
