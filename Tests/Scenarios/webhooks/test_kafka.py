"""Events from Kafka: over TCP from a broker in another process, published with another client library."""

import json
import os
import signal
import time

from harness import wait_for
from kafka_broker import WAITING, event
from webhook_examples import EVENTS
from webhook_service import new_environment


def test_events_of_each_topic_are_delivered(serve_webhooks, receive, broke):
    broker, receiver, environment = broke(prefix="a.b-"), receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address, KAFKA_TOPIC_PREFIX="a.b-")
    for name in EVENTS:
        service.add(environment, receiver.url("/" + name), events=[name])
    cloud = {
        "specversion": "1.0", "id": "cloud", "source": "/x", "type": "job-created", "environmentid": environment,
        "data": {"job_id": "j"},
    }
    binary = {"ce_" + name: value for name, value in cloud.items() if name != "data"}
    binary.update({"ce_id": "binary", "content-type": "application/json"})
    broker.publish(
        *(("a.b-" + name, event(environment), "k") for name in EVENTS),
        ("a.b-events", event(environment, event="pipeline-created", event_id="named")),
        ("a.b-events", cloud),
        ("a.b-events", {"job_id": "b"}, None, binary),
    )
    receiver.wait(len(EVENTS) + 3)
    service.finish()
    bodies = [json.loads(arrival["body"]) for arrival in receiver.arrivals("/job-created")]
    assert {"job_id": "b"} in [body["data"] for body in bodies if body["event_id"] == "binary"]
    counts = {name: len(receiver.arrivals("/" + name)) for name in EVENTS}
    assert counts == {name: {"pipeline-created": 2, "job-created": 3}.get(name, 1) for name in EVENTS}
    log = service.attempts(service.call("GET", "/environments/%s/webhooks" % environment).json()[0])
    ids = {entry["event_id"] for entry in log}
    assert "named" in ids
    (made,) = ids - {"named"}
    assert made.startswith("a_b-pipeline-created-")


def test_messages_that_are_not_events_are_logged_and_skipped(serve_webhooks, receive, broke):
    broker, receiver, environment = broke(), receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address, MAX_BODY_BYTES="2k")
    service.add(environment, receiver.url("/hook"))
    wrong = [
        ("pipeline-created", "{"),
        ("pipeline-created", ""),
        ("pipeline-created", {"data": {}}),
        ("pipeline-created", event("somewhere")),
        ("pipeline-created", event(environment, event="job-created")),
        ("events", event(environment)),
        ("events", event(environment, event="lunch")),
        ("pipeline-created", event(environment, data="x" * 2048)),
    ]
    # In one partition of each topic, so that the valid message is read after the others.
    broker.publish(*((*message, "k") for message in wrong), ("pipeline-created", event(environment), "k"))
    receiver.wait(1, "/hook")
    wait_for(lambda: service.log().count("left out a Kafka message that is not a valid event") == len(wrong))
    logged = [line for line in service.log().splitlines() if "left out a Kafka message that is not a valid event" in line]
    assert all("topic" in line and "partition" in line and "offset" in line for line in logged)
    service.stop()
    service.start()
    broker.publish(("pipeline-created", event(environment), "k"))
    receiver.wait(2, "/hook")
    # The others were not read again.
    assert service.log().count("left out a Kafka message that is not a valid event") == len(wrong)


def attempts(service, webhook):
    """All lines of a webhook's log."""
    entries = service.attempts(webhook, "?limit=1000")
    while page := service.attempts(webhook, "?limit=1000&before=%s" % entries[-1]["log_id"]) if entries else []:
        entries += page
    return entries


def test_every_event_is_stored_once_when_workers_are_killed(serve_webhooks, receive, broke):
    broker, receiver, environment = broke(), receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address)
    webhook = service.add(environment, receiver.url("/hook"))
    count = 3000
    broker.publish(*(("pipeline-created", event(environment, data=n), str(n)) for n in range(count)))
    for kill in range(2):
        # In the middle: some events have been delivered, and others are still to come.
        seen = len(receiver.arrivals("/hook"))
        wait_for(lambda seen=seen: len(receiver.arrivals("/hook")) > seen, 40, 0.002)
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
    wait_for(lambda: len({arrival["id"] for arrival in receiver.arrivals("/hook")}) >= count, 90, 0.2)
    service.settle(webhook, seconds=60)
    # No event is stored twice, with two ids.
    assert len({arrival["id"] for arrival in receiver.arrivals("/hook")}) == count
    assert len({json.dumps(json.loads(arrival["body"])["data"]) for arrival in receiver.arrivals("/hook")}) == count
    assert len({entry["event_id"] for entry in attempts(service, webhook)}) == count
    service.stop()
    service.check()


def test_events_wait_in_kafka_while_the_store_is_full(serve_webhooks, receive, broke):
    broker, receiver, environment = broke(), receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address, MAX_STORE_BYTES="16m")
    service.add(environment, receiver.url("/hook"), events=EVENTS)
    # The broker keeps 5 MB of a partition.
    messages = [(name, event(environment, event_id="%s-%d" % (name, n), data="x" * 400_000), "k")
                for n in range(7) for name in EVENTS]
    broker.publish(*messages)
    wait_for(lambda: WAITING in service.log())
    # The worker tries again each second, and does not log it again. Nothing counts these tries: wait for one.
    time.sleep(1.5)
    assert service.log().count(WAITING) == 1
    assert len(receiver.arrivals("/hook")) < len(messages)
    service.stop()
    service.settings["MAX_STORE_BYTES"] = "256m"
    service.start()
    calls = lambda: {arrival["id"] for arrival in receiver.arrivals("/hook")}  # noqa: E731
    wait_for(lambda: calls() == {message[1]["event_id"] for message in messages}, 40, 0.2)
