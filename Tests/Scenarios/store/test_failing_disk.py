"""Syncs and writes of the journal and of the store that fail, and processes that stop during them."""

import contextlib
import http.client
import os
import signal

import pytest
from harness import Senders, alive, free_port, wait_for
from operations_port import samples

# A sync that takes longer is made in a thread of its own.
SLOW_MICROSECONDS = 2000


def accepts(service, endpoint):
    """Whether a post is accepted."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return service.hook(endpoint, "after").status == 200
    return False


def processes(service):
    return set(service.responders() + service.workers())


def wait_until_replaced(service, before):
    """Waits until all processes that use the store are new ones."""
    wait_for(lambda: not processes(service) & before and len(processes(service)) == len(before), 30)


def stored_once(service, endpoint, senders, unanswered=0):
    """Everything that was acknowledged is stored once, and of what was not, `unanswered` posts at most."""
    found = service.bodies(endpoint)
    assert len(set(found)) == len(found)
    assert set(senders.sent()) <= set(found)
    assert len(found) <= len(senders.sent()) + unanswered


def critical_lines(service):
    return [line for line in service.log().splitlines() if " critical " in line]


@pytest.mark.parametrize("microseconds", [0, SLOW_MICROSECONDS], ids=["fast", "slow"])
@pytest.mark.parametrize("call", ["syncs", "writes"])
@pytest.mark.parametrize("file", ["journal", "store"])
def test_a_failed_sync_or_write_ends_all_processes_and_loses_nothing(serve, faults, file, call, microseconds):
    service = serve(RESPONDERS=2, MAX_ENDPOINT_NOTIFICATIONS=100000, **faults.settings)
    endpoint = service.create()
    faults.journal.sync_microseconds = microseconds
    before = processes(service)
    failing = getattr(faults, file)
    with Senders(service, [endpoint], 4) as senders:
        wait_for(lambda: len(senders.sent()) > 20)
        # A sync of the store belongs to a checkpoint, which is made every five seconds.
        setattr(failing, call + "_until_failure", 1 if file == "store" else 7)
        wait_for(lambda: failing.failures == 1)
        wait_until_replaced(service, before)
        sent = len(senders.sent())
        wait_for(lambda: len(senders.sent()) > sent + 20, 30)
    assert service.process.poll() is None
    assert {failure[1] for failure in senders.failures} <= {503}, senders.failures
    # A post that was answered with 503 may be stored.
    stored_once(service, endpoint, senders, unanswered=len(senders.failures))
    path = os.path.join(service.directory, "store.mdb")
    assert any("writing to %s or its journal failed" % path in line for line in critical_lines(service)), service.log()
    service.check()


def test_no_write_is_acknowledged_by_a_process_after_a_sync_of_another_has_failed(serve, faults):
    """Each process that is left answers 503, until it ends."""
    service = serve(RESPONDERS=3, **faults.settings)
    endpoint = service.create()
    faults.journal.syncs_until_failure = 1
    status = service.hook(endpoint, "x").status
    assert faults.journal.failures == 1 and status in (200, 503)
    wait_for(lambda: accepts(service, endpoint), 30)
    assert service.bodies(endpoint).count("x") <= 1 and (status == 503 or "x" in service.bodies(endpoint))


def test_writes_that_find_the_disk_full_end_no_process_and_lose_nothing(serve, faults):
    service = serve(RESPONDERS=2, MAX_ENDPOINT_NOTIFICATIONS=100000, **faults.settings)
    endpoint = service.create()
    before = processes(service)
    with Senders(service, [endpoint], 8) as senders:
        faults.store.full_odds = 5
        wait_for(lambda: faults.store.failures > 50 and len(senders.sent()) > 100, 60)
        faults.store.full_odds = 0
        sent = len(senders.sent())
        wait_for(lambda: len(senders.sent()) > sent + 50)
    assert processes(service) == before
    assert {failure[1] for failure in senders.failures} <= {503, 507}
    stored_once(service, endpoint, senders)
    service.check()


def test_a_post_that_found_the_disk_full_is_not_there_after_a_recovery(serve, faults):
    service = serve(RESPONDERS=1, **faults.settings)
    endpoint = service.create()
    for number in range(3):
        faults.store.full_odds = 1
        assert service.hook(endpoint, "refused %d" % number).status == 507
        faults.store.full_odds = 0
        service.kill_all()
        service.start()
        assert service.hook(endpoint, "%d" % number).status == 200
    assert [(n["id"], n["body"]) for n in service.collect(endpoint)] == [(1, "0"), (2, "1"), (3, "2")]


# ---------------------------------------------------------------- Stopped processes


def stop_in(held, name, process_of, candidates):
    """Stops the process that waits in a held call."""
    pid = wait_for(lambda: getattr(held, process_of) in candidates and getattr(held, process_of))
    os.kill(pid, signal.SIGSTOP)
    setattr(held, name, 0)
    return pid


def goes_on_without(service, senders, pid):
    """Posts are accepted again although a process has stopped; the watchdog replaces it."""
    sent = len(senders.sent())
    wait_for(lambda: len(senders.sent()) > sent + 20)
    wait_for(lambda: not alive(pid) and len(processes(service)) == 3)


@pytest.mark.parametrize("file", ["journal", "store"])
def test_a_process_that_stops_in_the_middle_of_a_commit_holds_nobody_up(serve, faults, file):
    service = serve(RESPONDERS=2, OPS_SERVER_PORT=free_port(), MAX_ENDPOINT_NOTIFICATIONS=100000, **faults.settings)
    endpoint = service.create()
    responders = service.responders()
    held = getattr(faults, file)
    with Senders(service, [endpoint], 4) as senders:
        wait_for(lambda: len(senders.sent()) > 20)
        held.holds_writes = 1
        pid = stop_in(held, "holds_writes", "writer", responders)
        goes_on_without(service, senders, pid)
    assert senders.failures == []
    stored_once(service, endpoint, senders)
    assert "a process does not respond" in service.log() and "process=%d" % pid in service.log()
    assert samples(service)['postroom_process_restarts_total{process="responder",cause="stuck"}'] == 1
    service.check()


def test_a_process_that_stops_in_a_checkpoint_holds_nobody_up(serve, faults):
    service = serve(RESPONDERS=2, JOURNAL_BYTES="1m", MAX_ENDPOINT_NOTIFICATIONS=100000, **faults.settings)
    endpoint = service.create()
    candidates = processes(service)
    with Senders(service, [endpoint], 4) as senders:
        wait_for(lambda: len(senders.sent()) > 20)
        faults.store.holds_syncs = 1
        pid = stop_in(faults.store, "holds_syncs", "syncer", candidates)
        # The journal is soon full, so that all answers wait for a checkpoint.
        for _ in range(8):
            assert service.hook(endpoint, b"x" * 300_000).status == 200
        goes_on_without(service, senders, pid)
    assert senders.failures == []
    found = [body for body in service.bodies(endpoint) if not body.startswith("x")]
    assert sorted(found) == senders.sent()
    service.check()


def test_processes_that_stop_on_a_slow_disk_lose_and_double_nothing(serve, faults):
    service = serve(RESPONDERS=2, MAX_ENDPOINT_NOTIFICATIONS=100000, **faults.settings)
    endpoint = service.create()
    faults.journal.sync_microseconds = faults.store.sync_microseconds = 20_000
    with Senders(service, [endpoint], 8) as senders:
        for choose in (service.responders, service.workers, service.responders):
            wait_for(lambda: len(processes(service)) == 3)
            pid = choose()[0]
            os.kill(pid, signal.SIGSTOP)
            goes_on_without(service, senders, pid)
    assert senders.failures == []
    stored_once(service, endpoint, senders)
    service.check()
