"""Processes die at any instant, and targets are down: each acknowledged event is delivered all the same."""

import collections
import json
import os
import random
import signal
import time

from event_service import event
from harness import Senders, wait_for

SECONDS = float(os.environ.get("CRASH_SECONDS", "15"))
# Attempts to one subscription at a time.
IN_FLIGHT = 16
# Longer than any target is down in these tests.
PATIENT = "1s,1s,1s,2s,2s,5s,5s,5s,10s,10s,20s,20s,30s,30s,1m,1m"


class EventSenders(Senders):
    """Threads that post events to /receive; `ids` maps the text of each event to its id."""

    def __init__(self, service, count, pause=0.02):
        self.ids, self.pause = {}, pause
        super().__init__(service, [None], count)

    def post(self, _, text, connection):
        body = json.dumps(event("text", text))
        answer = self.service.call("POST", "/receive", body, {"Content-Type": "application/json"}, connection)
        if answer.status == 200:
            self.ids[text] = answer.text
        time.sleep(self.pause)
        return answer


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def delivered(receivers, path):
    """How often each event arrived at a path of these receivers, which had the same address one after the other."""
    return collections.Counter(
        json.loads(arrival["body"])["data"]["text"] for receiver in receivers for arrival in receiver.arrivals(path)
    )


def check_delivered(service, ids):
    """Checks that the deliveries of all events to the user u have succeeded."""
    connection = service.connection()
    for sent in ids.values():
        answer = service.ask("GET", "/events/" + sent, user="u", connection=connection)
        assert answer.status == 200, (answer.status, answer.text)
        assert {delivery["state"] for delivery in answer.json()["deliveries"]} == {"delivered"}, answer.text
    connection.close()


def test_no_event_is_lost_while_policy_and_a_target_are_down_and_workers_are_killed(serve_events, receive):
    slow = {"*": {"delay": 0.02}}
    policies, targets = [receive()], [receive(slow)]
    steady = receive(slow)
    service = serve_events(
        POLICY_URL=policies[0].url(""), RESPONDERS=2, WEBHOOKS_WRITE_TIMEOUT="1s", EVENTS_RETRY_SCHEDULE=PATIENT
    )
    subscriptions = {
        "/shaky": service.subscribe("u", targets[0].url("/shaky"), "$.data.text"),
        "/steady": service.subscribe("u", steady.url("/steady"), "$[?(@.eventType)]"),
        "/other": service.subscribe("u", steady.url("/other"), "$.data", format="cloudevents"),
    }
    workers, kills = [service.beside("work")], 0
    ports = {"policy": policies[0].port, "target": targets[0].port}
    # When each is stopped and started again, as a share of the time.
    plan = [(0.15, "policy"), (0.45, "policy"), (0.5, "target"), (0.85, "target")]
    try:
        with EventSenders(service, 3) as senders:
            start = time.monotonic()
            while time.monotonic() - start < SECONDS:
                time.sleep(0.7)
                while plan and time.monotonic() - start > plan[0][0] * SECONDS:
                    _, what = plan.pop(0)
                    started = policies if what == "policy" else targets
                    if len(started) == 1 and started[0].process.poll() is None:
                        started[0].stop()
                    else:
                        started.append(receive(slow, "--port", str(ports[what])))
                victim = workers.pop()
                kill([victim.pid, *service.workers()])
                victim.wait()
                workers.append(service.beside("work"))
                kills += 1
        for what, started in (("policy", policies), ("target", targets)):
            if len(started) == 1:
                started.append(receive(slow, "--port", str(ports[what])))
        assert senders.failures == [] and len(senders.ids) > 10 * SECONDS
        # A delivery that a killed worker had begun is made again when its lease ends, after 16 s.
        service.finish(120)
        check_delivered(service, senders.ids)
    finally:
        for worker in workers:
            worker.terminate()
    assert [worker.wait(20) for worker in workers] == [0]
    for path, made in subscriptions.items():
        counts = delivered([*targets, steady], path)
        assert sorted(counts) == sorted(senders.ids)
        # Attempts in flight at a kill, or when the target was stopped, are made again.
        assert sum(counts.values()) - len(counts) <= (2 * kills + 1) * IN_FLIGHT
        now = service.subscription(made)
        assert (now["disabled"], now["error"]) == (None, None)
    asked = sum(len(policy.arrivals("/events/u")) for policy in policies)
    assert asked >= 3 * len(senders.ids)


def test_no_event_is_lost_when_responders_are_killed_under_load(serve_events, receive):
    receiver = receive()
    service = serve_events(RESPONDERS=3)
    service.subscribe("u", receiver.url("/"), "$.data.text")
    kills = 0
    with EventSenders(service, 8, pause=0) as senders:
        deadline = time.monotonic() + SECONDS / 2
        while time.monotonic() < deadline:
            time.sleep(0.3)
            kill([random.choice(wait_for(service.responders))])
            kills += 1
    assert senders.failures == [] and len(senders.ids) > 10 * kills > 0
    assert len(set(senders.ids.values())) == len(senders.ids)
    service.finish(60)
    check_delivered(service, senders.ids)
    # No event is there twice, although nginx has sent some requests again.
    assert delivered([receiver], "/") == collections.Counter(list(senders.ids))


def test_two_workers_match_and_deliver_each_event_once(serve_events, receive):
    receiver = receive()
    service = serve_events(RESPONDERS=2)
    for number in range(3):
        service.subscribe("u", receiver.url("/%d" % number), "$.data.text")
    others = [service.beside("work") for _ in range(2)]
    try:
        with EventSenders(service, 4) as senders:
            wait_for(lambda: len(senders.ids) >= 400)
        service.finish(60)
        check_delivered(service, senders.ids)
    finally:
        for other in others:
            other.terminate()
    assert senders.failures == [] and [other.wait(20) for other in others] == [0, 0]
    for number in range(3):
        assert delivered([receiver], "/%d" % number) == collections.Counter(list(senders.ids))


def test_no_event_is_lost_when_every_process_is_killed_at_once(serve_events, receive):
    for durability in ("disk", "process"):
        receiver = receive()
        service = serve_events(RESPONDERS=2, DURABILITY=durability, WEBHOOKS_WRITE_TIMEOUT="1s")
        service.subscribe("u", receiver.url("/"), "$.data.text")
        with EventSenders(service, 4, pause=0.005) as senders:
            wait_for(lambda: len(senders.ids) >= 200)
            service.kill_all()
        service.start()
        service.finish(60)
        check_delivered(service, senders.ids)
        counts = delivered([receiver], "/")
        assert set(senders.ids) <= set(counts)
        # One event of each sender may have been stored and not acknowledged.
        assert len(counts) - len(senders.ids) <= 4
        assert sum(counts.values()) - len(counts) <= IN_FLIGHT
