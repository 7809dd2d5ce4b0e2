"""Processes are killed at any moment: every client of a queue reads every message once, and no request fails."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from itertools import pairwise

from harness import PROGRAM, environment, wait_for
from queue_service import AcknowledgingReaders, QueueReaders, QueueSenders, configuration, read_messages, roomy

SECONDS = float(os.environ.get("CRASH_SECONDS", "15"))
QUEUES = ["a", "b"]


def sent_to(senders, queue):
    """The acknowledged bodies of one queue: QueueSenders use the queues in turn."""
    return sorted(body for body in senders.sent() if QUEUES[(int(body.split("-")[1]) + 1) % 2] == queue)


def disturb(service, disturbance, pause, seconds):
    """Repeats a disturbance while others send and read; then each client must have read every acknowledged message."""
    plain = [service.listen("plain-%s-%d" % (queue, number), queue) for queue in QUEUES for number in range(2)]
    paged = [service.listen("paged-" + queue, queue) for queue in QUEUES]
    manual = {queue: service.listen("manual-" + queue, queue) for queue in QUEUES}
    late = {queue: service.listen("late-" + queue, queue) for queue in QUEUES}
    with (
        QueueReaders(service, plain) as readers,
        QueueReaders(service, paged, "?wait=2&limit=200") as pagers,
        AcknowledgingReaders(service, manual.values()) as others,
    ):
        with QueueSenders(service, QUEUES, 8) as senders:
            deadline = time.monotonic() + seconds
            times = 0
            while time.monotonic() < deadline:
                time.sleep(pause)
                disturbance()
                times += 1
        for threads in (readers, pagers, others):
            threads.drain()
    assert [threads.failures for threads in (senders, readers, pagers, others)] == [[]] * 4
    assert len(senders.sent()) > 20 * times
    for queue in QUEUES:
        sent = sent_to(senders, queue)
        # A client that reads only now shows the order of the messages.
        everything = read_messages(service.read(late[queue]))
        texts = [text for _, text in everything]
        # Counters and not the lists: pytest takes ten minutes to show how ten thousand messages differ.
        lost, surplus = Counter(sent) - Counter(texts), Counter(texts) - Counter(sent)
        assert (dict(lost), dict(surplus)) == ({}, {}), queue
        steps = {number: number - before for (before, _), (number, _) in pairwise([(0, ""), *everything])}
        assert {number: step for number, step in steps.items() if step != 1} == {}, queue
        for client, found in [*readers.found.items(), *pagers.found.items()]:
            same = found == everything
            assert same or client.split("-")[1] != queue, client
        same = in_order_at_least_once(others.found[manual[queue]]) == everything
        assert same, queue
    check(service, service.overview(), {queue: len(sent_to(senders, queue)) for queue in QUEUES})


def in_order_at_least_once(messages):
    """The messages without those that came again; a new one must be the next one."""
    first = []
    for number, text in messages:
        assert number <= len(first) + 1, "%d came after %d" % (number, len(first))
        if number > len(first):
            first.append((number, text))
        assert first[number - 1] == (number, text)
    assert len(messages) > len(first)
    return first


def check(service, overview, lengths):
    assert {queue["name"]: (queue["current_message"], queue["depth"]) for queue in overview["queues"]} == {
        queue: (length, length) for queue, length in lengths.items()
    }
    service.check()


def both_queues():
    return configuration([roomy(queue) for queue in QUEUES])


def test_killing_responders_loses_nothing_and_fails_no_request(serve_queues):
    service = serve_queues(both_queues(), RESPONDERS=4)
    killed = set()

    def kill_one():
        pids = service.responders()
        if pids:
            pid = random.choice(pids)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)

    disturb(service, kill_one, 0.5, SECONDS)
    assert len(killed) >= SECONDS


def test_reloads_fail_no_request(serve_queues):
    service = serve_queues(both_queues(), RESPONDERS=4)
    before = set(service.responders())
    disturb(service, lambda: service.process.send_signal(signal.SIGHUP), 2, SECONDS / 2)
    wait_for(lambda: len(service.responders()) == 4)
    assert not before & set(service.responders())


def test_a_password_can_be_set_while_responders_are_killed(serve_queues):
    service = serve_queues(both_queues(), RESPONDERS=3)
    secret, deadline, turn = "bob-secret", time.monotonic() + SECONDS / 4, 0
    while time.monotonic() < deadline:
        turn += 1
        os.kill(random.choice(wait_for(service.responders)), signal.SIGKILL)
        for part in range(5):
            new = "bob %d %d changed" % (turn, part)
            assert service.set_password("bob", new, secret).status == 200
            assert service.logs_in("bob", new)
            assert service.reload().status == 200
            assert service.logs_in("bob", new)
            secret = new
    assert turn > 5
    service.check()


def test_killing_every_process_at_once_loses_nothing(serve_queues):
    for durability in ("disk", "process"):
        service = serve_queues(both_queues(), RESPONDERS=3, DURABILITY=durability)
        clients = {queue: service.listen("reader", queue, user=user) for queue, user in zip(QUEUES, ("alice", "bob"))}
        assert service.acknowledge("reader", 0).status == 200
        with QueueSenders(service, QUEUES, 8) as senders:
            wait_for(lambda: len(senders.sent()) > 1000)
            service.kill_all()
            senders.stopping.set()
        started = service.start().call("GET", "/time").text
        total = 0
        for queue, user in zip(QUEUES, ("alice", "bob")):
            answer = service.read(clients[queue], user=user)
            found = read_messages(answer)
            assert answer.json()["time"] == started
            assert [number for number, _ in found] == list(range(1, len(found) + 1))
            assert set(sent_to(senders, queue)) <= {text for _, text in found}
            assert len({text for _, text in found}) == len(found)
            total += len(found)
        # All that was acknowledged is there. Each of the eight senders may have been waiting for one more answer.
        assert total <= len(senders.sent()) + 8
        service.check()


def test_cursors_survive_the_death_of_every_process(serve_queues):
    service = serve_queues(both_queues(), RESPONDERS=3)
    service.listen("reader", "a")
    for turn in range(3):
        service.send("a", *("%d-%d" % (turn, number) for number in range(10)))
        found = read_messages(service.read("reader", "?ack=manual&limit=5"))
        assert found[0] == (5 * turn + 1, "%d-%d" % (5 * turn // 10, 5 * turn % 10))
        assert service.acknowledge("reader", found[-1][0]).status == 200
        service.kill_all()
        service.start()
    assert [number for number, _ in read_messages(service.read("reader"))] == list(range(16, 31))
    service.kill_all()
    service.start()
    assert service.texts("reader") == []
    service.check()


def open_files(pid):
    directory = "/proc/%d/fd" % pid
    for name in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(os.path.join(directory, name))


def test_workers_that_start_and_stop_together_keep_ids_and_the_time_of_the_store(serve_queues):
    """Each worker renews the store's mark; a process that opens the store compares it with the one in the file."""
    service = serve_queues(both_queues())
    client = service.listen("reader", "a")
    began = service.read(client).json()["time"]
    for _ in range(8):
        workers = [subprocess.Popen([PROGRAM, "work"], env=environment(service.directory)) for _ in range(6)]
        for worker in workers:
            wait_for(lambda: any(path.endswith("/worker.lock") for path in open_files(worker.pid)))
            worker.terminate()
        assert [worker.wait(20) for worker in workers] == [0] * 6
    assert service.post("a", "first").status == 200
    before = set(service.responders())
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: service.responders() and not before & set(service.responders()))
    assert service.post("a", "second").status == 200
    answer = service.read(client)
    assert (read_messages(answer), answer.json()["time"]) == ([(1, "first"), (2, "second")], began)
