"""Responders may die at any instant: every reader of a queue is given every message, once, and nobody notices."""

import os
import random
import signal
import time

from harness import AcknowledgingReaders, QueueReaders, QueueSenders, configuration, read_messages, roomy, wait_for

SECONDS = float(os.environ.get("CRASH_SECONDS", "20"))
QUEUES = ["a", "b"]


def sent_to(senders, queue):
    """The bodies that were acknowledged, as QueueSenders deal them out."""
    return sorted(body for body in senders.sent() if QUEUES[(int(body.split("-")[1]) + 1) % 2] == queue)


def disturb(service, disturbance, pause, seconds):
    """Senders and readers at work while something happens again and again."""
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
        numbers = list(range(1, len(sent) + 1))
        # The order of ids is that of the messages, whoever reads.
        everything = read_messages(service.read(late[queue]))
        assert [number for number, _ in everything] == numbers and sorted(text for _, text in everything) == sent
        for client, found in [*readers.found.items(), *pagers.found.items()]:
            assert found == everything or client.split("-")[1] != queue, client
        assert in_order_at_least_once(others.found[manual[queue]]) == everything
    check(service, service.overview(), {queue: len(sent_to(senders, queue)) for queue in QUEUES})


def in_order_at_least_once(messages):
    """Messages as they were first handed out; one that came again comes before any new one that is behind a gap."""
    first = []
    for number, text in messages:
        assert number <= len(first) + 1, "%d came behind %d" % (number, len(first))
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


def crowded():
    return configuration([roomy(queue) for queue in QUEUES])


def test_responders_killed_again_and_again_lose_nothing_and_fail_nobody(serve_queues):
    service = serve_queues(crowded(), RESPONDERS=4)
    killed = set()

    def kill_one():
        pids = service.responders()
        if pids:
            pid = random.choice(pids)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)

    disturb(service, kill_one, 0.5, SECONDS)
    assert len(killed) >= SECONDS


def test_replacing_the_responders_fails_nobody(serve_queues):
    service = serve_queues(crowded(), RESPONDERS=4)
    before = set(service.responders())
    disturb(service, lambda: service.process.send_signal(signal.SIGHUP), 2, SECONDS / 2)
    wait_for(lambda: len(service.responders()) == 4)
    assert not before & set(service.responders())


def test_a_password_set_while_responders_die_is_one_or_the_other(serve_queues):
    service = serve_queues(crowded(), RESPONDERS=3)
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
        service = serve_queues(crowded(), RESPONDERS=3, DURABILITY=durability)
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
        # What was being sent at that moment may be kept or not; what was acknowledged must be.
        assert total <= len(senders.sent()) + 8
        service.check()


def test_cursors_that_were_acknowledged_survive_the_death_of_everything(serve_queues):
    service = serve_queues(crowded(), RESPONDERS=3)
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
