"""DURABILITY and JOURNAL_BYTES: what they change, who sets them, and a journal that is always full."""

import hashlib
import os
import random
import shutil

import pytest
from harness import Senders, postroom, wait_for
from queue_service import configuration, read_messages, roomy
from reopening import Boot, compile_library


def journal_bytes(service):
    return os.path.getsize(os.path.join(service.directory, "journal"))


def waits_for_a_sync(service, faults, send):
    """Whether an answer waits for the disk."""
    syncs = faults.journal.syncs
    # More than the requests that other processes may make at the same time.
    for _ in range(10):
        send()
    return faults.journal.syncs >= syncs + 10


@pytest.mark.parametrize("durability, other", [("process", "disk"), ("disk", "process")])
def test_commands_leave_a_running_service_its_durability(serve_queues, faults, durability, other):
    service = serve_queues(configuration([roomy("a")]), RESPONDERS=1, DURABILITY=durability, **faults.settings)

    def waits():
        return waits_for_a_sync(service, faults, lambda: service.send("a", "x"))

    size = journal_bytes(service)
    assert waits() is (durability == "disk")
    # The service is stopped for none of these.
    for command in (["queues", "load"], ["queues", "list"], ["store", "check"], ["store", "export"]):
        result = postroom(service.directory, *command, DURABILITY=other, JOURNAL_BYTES="8m")
        assert result.returncode == 0, result.stderr.decode()
        assert waits() is (durability == "disk") and journal_bytes(service) == size
    service.check()


@pytest.mark.parametrize("end", ["stop", "kill_all"])
def test_a_start_sets_the_durability(serve_queues, faults, end):
    service = serve_queues(configuration([roomy("a")]), RESPONDERS=1, **faults.settings)
    client = service.listen("reader", "a")
    for durability in ("process", "disk", "process", "disk"):
        getattr(service, end)()
        service.settings["DURABILITY"] = durability
        service.start()
        assert waits_for_a_sync(service, faults, lambda: service.send("a", "x")) is (durability == "disk")
    assert [message[0] for message in read_messages(service.read(client, "?limit=1000"))] == list(range(1, 41))


@pytest.mark.parametrize("end", ["stop", "kill_all"])
def test_commands_leave_a_stopped_store_its_durability(serve_queues, end):
    service = serve_queues(configuration([roomy("a")]), RESPONDERS=1, DURABILITY="process")
    service.send("a", "x")
    size = journal_bytes(service)
    getattr(service, end)()
    for command in (["queues", "load"], ["queues", "list"], ["store", "check"]):
        assert postroom(service.directory, *command, DURABILITY="disk", JOURNAL_BYTES="8m").returncode == 0
        assert journal_bytes(service) == size, command
    service.start()
    service.send("a", "y")


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
@pytest.mark.parametrize("durability", ["process", "disk"])
def test_a_restart_of_the_machine_after_a_clean_stop_loses_nothing(serve_queues, tmp_path, durability):
    """Nor is there a gap in the numbers, or a new `time` of the queues."""
    library = compile_library(tmp_path)
    service = serve_queues(
        configuration([roomy("a")]), RESPONDERS=2, DURABILITY=durability, **Boot(library, tmp_path).settings)
    client, endpoint = service.listen("reader", "a"), service.create()
    began = service.read(client).json()["time"]
    for number in range(3):
        service.send("a", "%d" % number)
        assert service.hook(endpoint, "%d" % number).status == 200
        assert service.stop() == 0
        service.settings.update(Boot(library, tmp_path).settings)
        service.start()
    answer = service.read(client)
    assert (read_messages(answer), answer.json()["time"]) == ([(1, "0"), (2, "1"), (3, "2")], began)
    assert [(n["id"], n["body"]) for n in service.collect(endpoint)] == [(1, "0"), (2, "1"), (3, "2")]


# ---------------------------------------------------------------- A small journal

LENGTHS = [10, 300, 3000, 40_000, 200_000, 400_000, 520_000, 600_000, 1_000_000]


class LongBodies(Senders):
    """Senders of bodies of all lengths, which end with their checksum."""

    lengths = LENGTHS

    def post(self, endpoint, name, connection):
        chance = random.Random(name)
        content = name.encode() + b" " + chance.randbytes(chance.choice(self.lengths) // 2).hex().encode()
        body = content + b" " + hashlib.sha256(content).hexdigest().encode()
        return self.service.hook(endpoint, body, connection=connection)


def names_of_whole_bodies(service, endpoint):
    names, after = [], 0
    while notifications := service.look(endpoint, "?limit=20&after=%d" % after).json()["notifications"]:
        for notification in notifications:
            content, _, digest = notification["body"].rpartition(" ")
            assert hashlib.sha256(content.encode()).hexdigest() == digest
            assert notification["id"] == after + 1
            after += 1
            names.append(content.partition(" ")[0])
    return names


def test_a_journal_that_wraps_all_the_time_loses_nothing(serve):
    service = serve(RESPONDERS=2, JOURNAL_BYTES="1m", MAX_ENDPOINT_NOTIFICATIONS=1000000, MAX_ENDPOINT_BYTES="4g")
    endpoint = service.create()
    found = []
    for _ in range(4):
        with LongBodies(service, [endpoint], 6) as senders:
            # Some 15 laps.
            wait_for(lambda: len(senders.sent()) > 60, 60)
            service.kill_all()
            senders.stopping.set()
        service.start()
        # Each turn uses the same names.
        now = names_of_whole_bodies(service, endpoint)[len(found):]
        assert set(senders.sent()) <= set(now) and len(set(now)) == len(now)
        assert len(now) <= len(senders.sent()) + 6
        found += now
    service.check()
