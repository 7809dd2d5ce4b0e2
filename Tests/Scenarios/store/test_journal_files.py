"""The files of the store after kills: what is complete, what belongs together, and what the operator does."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess

import pytest
from disks import fill, needs_root
from harness import PROGRAM, Senders, environment, postroom, wait_for

ALL = ("store.mdb", "journal", "secret.key", "store.mark")


def path(service, name):
    return os.path.join(service.directory, name)


def copied(service, directory, *names):
    """Copies files of DATA_DIR to another directory."""
    os.makedirs(directory)
    for name in names:
        shutil.copy(path(service, name), directory)
    return directory


def run(directory, *arguments):
    result = postroom(directory, *arguments)
    return result.returncode, (result.stdout + result.stderr).decode()


def exported(directory):
    """The number and the body of each notification in an export, in its order."""
    result = postroom(directory, "store", "export")
    assert result.returncode == 0, result.stderr.decode()
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[-1]["kind"] == "end"
    return [line["body"] for line in lines if line["kind"] == "notification"]


def notifications(service, endpoint):
    return [(n["id"], n["body"]) for n in service.look(endpoint, "?limit=1000").json()["notifications"]]


def sent(service, endpoint, *bodies):
    for body in bodies:
        assert service.hook(endpoint, body).status == 200
    return list(bodies)


def numbered(*bodies):
    return list(enumerate(bodies, 1))


def refusal(service):
    """What `postroom serve` says when it refuses to start."""
    result = postroom(service.directory, "serve", APP_PORT=service.port, timeout=30)
    assert result.returncode == 1
    return result.stderr.decode()


def test_after_a_kill_commands_and_the_next_start_find_everything(serve, tmp_path):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    bodies = []
    for turn in range(3):
        bodies += sent(service, endpoint, *("%d-%d" % (turn, number) for number in range(20)))
        service.kill_all()
        for command in (["check"], ["export"]):
            whole = copied(service, tmp_path / ("%s%d" % (command[0], turn)), *ALL)
            assert run(whole, "store", *command)[0] == 0
        assert "%d notifications" % len(bodies) in service.check()
        assert sorted(exported(service.directory)) == sorted(bodies)
        service.start()
        assert notifications(service, endpoint) == numbered(*bodies)


def test_a_store_of_a_killed_service_is_refused_without_its_journal(serve):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    sent(service, endpoint, "a", "b")
    service.kill_all()
    os.rename(path(service, "journal"), path(service, "journal.away"))
    for command in (["check"], ["export"], ["compact"]):
        status, text = run(service.directory, "store", *command)
        assert status in (1, 2) and path(service, "journal") + " is missing" in text, (command, text)
    text = refusal(service)
    assert "needs its journal" in text and path(service, "journal") + " is missing" in text
    assert not os.path.exists(path(service, "journal"))
    os.rename(path(service, "journal.away"), path(service, "journal"))
    service.start()
    assert notifications(service, endpoint) == numbered("a", "b")


def test_a_repair_continues_without_the_journal(serve):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    sent(service, endpoint, "a", "b")
    service.kill_all()
    os.remove(path(service, "journal"))
    status, text = run(service.directory, "store", "repair")
    assert status == 0, text
    service.check()
    service.start()
    # The kernel has all that was written: only the machine could have lost it.
    assert [body for _, body in notifications(service, endpoint)] == ["a", "b"]
    last = service.look(endpoint).json()["notifications"][-1]["id"]
    sent(service, endpoint, "c")
    assert service.look(endpoint).json()["notifications"][-1]["id"] > last


def test_an_older_store_beside_a_newer_journal_is_refused_or_complete(serve, tmp_path):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    sent(service, endpoint, "a")
    service.stop()
    complete = copied(service, tmp_path / "complete", "store.mdb")
    service.start()
    sent(service, endpoint, "b")
    service.kill_all()
    linked = copied(service, tmp_path / "linked", "store.mdb")
    for restarts in range(2):
        service.start()
        sent(service, endpoint, "c%d" % restarts)
        service.kill_all()
        newer = copied(service, tmp_path / ("newer%d" % restarts), *ALL)
        # A copy that needs a journal is refused beside a later state of it.
        shutil.copy(linked / "store.mdb", path(service, "store.mdb"))
        text = refusal(service)
        assert "needs its journal" in text and path(service, "store.mdb") in text, text
        for name in ALL:
            shutil.copy(newer / name, path(service, name))
    # A copy that was made after a clean stop needs none.
    shutil.copy(complete / "store.mdb", path(service, "store.mdb"))
    service.start()
    assert notifications(service, endpoint) == [(1, "a")]
    sent(service, endpoint, "d")
    (_, (number, body)) = notifications(service, endpoint)
    # Numbers that were given since are not given again.
    assert number > 4 and body == "d"
    service.kill_all()
    service.start()
    assert [body for _, body in notifications(service, endpoint)] == ["a", "d"]
    # The copy that was refused can be repaired.
    service.kill_all()
    shutil.copy(linked / "store.mdb", path(service, "store.mdb"))
    assert run(service.directory, "store", "repair")[0] == 0
    service.start()
    assert [body for _, body in notifications(service, endpoint)] == ["a", "b"]


def test_after_a_clean_stop_the_store_is_complete_alone(serve, tmp_path):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    bodies = sent(service, endpoint, "a", "b", "c")
    assert service.stop() == 0
    assert exported(copied(service, tmp_path / "copy", "store.mdb")) == bodies
    os.remove(path(service, "journal"))
    os.remove(path(service, "store.shared"))
    service.start()
    assert notifications(service, endpoint) == numbered(*bodies)


# ---------------------------------------------------------------- While the service runs


def accepts(service, endpoint, body="after"):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return service.hook(endpoint, body).status == 200
    return False


def test_without_its_journal_a_running_service_acknowledges_nothing_until_it_is_back(serve):
    service = serve(RESPONDERS=2, MAX_ENDPOINT_NOTIFICATIONS=1000)
    endpoint = service.create()
    sent(service, endpoint, "a", "b")
    os.rename(path(service, "journal"), path(service, "journal.away"))
    answer = service.call("POST", "/webhook/" + endpoint, "refused", timeout=90)
    assert answer.status == 503, answer.text
    wait_for(lambda: path(service, "journal") in service.log())
    assert not accepts(service, endpoint, "refused")
    os.rename(path(service, "journal.away"), path(service, "journal"))
    # A process that was started meanwhile answers 503 until it is replaced.
    wait_for(lambda: all(accepts(service, endpoint) for _ in range(20)), 60)
    bodies = [body for _, body in notifications(service, endpoint)]
    assert [body for body in bodies if body not in ("after", "refused")] == ["a", "b"] and "after" in bodies
    service.check()


def test_a_service_whose_journal_was_removed_is_repaired(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    sent(service, endpoint, "a", "b")
    os.remove(path(service, "journal"))
    assert service.call("POST", "/webhook/" + endpoint, "refused", timeout=90).status == 503
    wait_for(lambda: path(service, "journal") in service.log())
    service.stop()
    text = refusal(service)
    assert "needs its journal" in text and "store repair" in text
    status, text = run(service.directory, "store", "repair")
    assert status == 0, text
    service.start()
    bodies = [body for _, body in notifications(service, endpoint)]
    assert [body for body in bodies if body != "refused"] == ["a", "b"] and accepts(service, endpoint)


# ---------------------------------------------------------------- Beside a reader


@contextlib.contextmanager
def unread_export(service):
    """An export whose output is not read, so that it keeps its snapshot."""
    export = subprocess.Popen(
        [PROGRAM, "store", "export"], env=environment(service.directory), stdout=subprocess.PIPE)
    export.stdout.read(10)
    try:
        yield export
    finally:
        export.kill()
        export.stdout.close()
        export.wait()


def with_long_bodies(service, count=8):
    endpoint = service.create()
    # More than a pipe holds.
    sent(service, endpoint, *("%d" % number + "x" * 200_000 for number in range(count)))
    return endpoint


@pytest.mark.parametrize("shared", ["kept", "removed", "compacted"])
def test_a_service_that_starts_beside_an_unread_export_of_a_complete_store_loses_nothing(serve, faults, shared, tmp_path):
    service = serve(RESPONDERS=2, **faults.settings)
    endpoint = with_long_bodies(service)
    before = len(notifications(service, endpoint))
    assert service.stop() == 0
    if shared == "removed":
        # docs/backup-restore-upgrade.md: it may be deleted while the service is stopped.
        os.remove(path(service, "store.shared"))
    if shared == "compacted":
        assert run(service.directory, "store", "compact")[0] == 0
    with unread_export(service):
        service.start()
        syncs = faults.journal.syncs + faults.store.syncs
        sent(service, endpoint, "1")
        # Acknowledged after a sync.
        assert faults.journal.syncs + faults.store.syncs > syncs
        sent(service, endpoint, "2")
        service.kill_all()
    # While the store needs its journal, its copy says so.
    status, text = run(copied(service, tmp_path / "alone", "store.mdb"), "store", "check")
    assert status != 0 and "needs its journal" in text, text
    service.check()
    service.start()
    found = notifications(service, endpoint)
    assert [number for number, _ in found] == list(range(1, before + 3))
    assert [body for _, body in found[before:]] == ["1", "2"]


def test_a_service_stops_and_starts_beside_an_unread_export(serve):
    service = serve(RESPONDERS=2)
    endpoint = with_long_bodies(service)
    before = len(notifications(service, endpoint))
    with unread_export(service):
        for turn in range(3):
            sent(service, endpoint, "%d" % turn)
            assert service.stop() == 0
            service.start()
        sent(service, endpoint, "3")
        service.kill_all()
        service.start()
    found = notifications(service, endpoint)
    assert [body for _, body in found[before:]] == ["0", "1", "2", "3"]
    service.check()


# ---------------------------------------------------------------- Small disks


@needs_root
@pytest.mark.parametrize("room", [None, 10 << 20, 5 << 20], ids=["24m", "10m", "5m"])
def test_a_disk_without_room_for_the_journal_gets_a_smaller_one(serve, small_disk, room):
    ballast = small_disk / "ballast"
    if room:
        fill(ballast)
        os.truncate(ballast, os.path.getsize(ballast) - room)
    service = serve(small_disk, RESPONDERS=2, JOURNAL_BYTES="64m")
    endpoint = service.create()
    assert os.path.getsize(path(service, "journal")) < 20 << 20
    bodies = sent(service, endpoint, "a", "b")
    for turn in range(4):
        service.kill_all()
        service.start()
        bodies += sent(service, endpoint, "%d" % turn)
    # Each start tries again: it must not take the rest of the disk.
    assert os.statvfs(small_disk).f_bavail > 0
    assert service.stop() == 0
    service.start()
    bodies += sent(service, endpoint, "after a stop")
    assert notifications(service, endpoint) == numbered(*bodies)
    if room:
        os.remove(ballast)
        service.stop()
        service.start()
        assert os.path.getsize(path(service, "journal")) >= 1 << 20
        bodies += sent(service, endpoint, "with room")
        service.kill_all()
        service.start()
        assert notifications(service, endpoint) == numbered(*bodies)
    service.check()


@needs_root
def test_a_small_disk_under_load(serve, small_disk):
    ballast = small_disk / "ballast"
    fill(ballast)
    os.truncate(ballast, os.path.getsize(ballast) - (6 << 20))
    service = serve(small_disk, RESPONDERS=2, JOURNAL_BYTES="64m", MAX_ENDPOINT_NOTIFICATIONS=100000)
    endpoint = service.create()
    with Senders(service, [endpoint], 4) as senders:
        wait_for(lambda: len(senders.sent()) > 1000, 60)
        service.kill_all()
        senders.stopping.set()
    service.start()
    found = service.bodies(endpoint)
    assert len(set(found)) == len(found) and set(senders.sent()) <= set(found)
    service.check()
