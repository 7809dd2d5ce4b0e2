"""Events from Kafka: over TCP from a broker in another process, published with another client library."""

import json
import os
import signal
import subprocess
import sys
import time

import libraries
import pytest
from certificates import certificate, client_certificate
from harness import ROOT, wait_for
from kafka_proxy import KafkaProxy
from webhook_examples import EVENTS
from webhook_service import new_environment

# Publishes what it reads: lines of [topic, key, value, headers].
PUBLISHER = """
import json, sys
from confluent_kafka import Producer
failures = []
producer = Producer({"bootstrap.servers": sys.argv[1]})
for line in sys.stdin:
    topic, key, value, headers = json.loads(line)
    report = lambda error, _: error and failures.append(str(error))
    producer.produce(topic, value=value, key=key, headers=headers, on_delivery=report)
    producer.poll(0)
assert producer.flush(30) == 0 and not failures, failures
"""


class Broker:
    """Tests/Support/kafka.py, with a topic for each type of event and one for all."""

    def __init__(self, prefix=""):
        topics = [prefix + name for name in (*EVENTS, "events")]
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "Tests", "Support", "kafka.py"), *topics],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        word, self.address = self.process.stdout.readline().split()
        assert word == "READY"

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "0\n"

    def publish(self, *messages):
        """Publishes messages: each is a topic, a text or a value for JSON, and optionally a key and headers."""
        lines = []
        for topic, value, *rest in messages:
            text = value if isinstance(value, str) else json.dumps(value)
            key, headers = (rest + [None, None])[:2]
            lines.append(json.dumps([topic, key, text, headers]))
        subprocess.run(
            [libraries.PYTHON, "-c", PUBLISHER, self.address], input="\n".join(lines), text=True, check=True, timeout=60
        )

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def broke():
    """Starts brokers that end with the test: broke(prefix="a.")."""
    libraries.need("confluent_kafka")
    started = []

    def start(**options):
        started.append(Broker(**options))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


def event(environment, **members):
    return {"environment_id": environment, "data": {"pipeline_id": "p"}, **members}


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
    wait_for(lambda: service.log().count("a message from Kafka cannot be understood") == len(wrong))
    told = [line for line in service.log().splitlines() if "a message from Kafka cannot be understood" in line]
    assert all("topic" in line and "partition" in line and "offset" in line for line in told)
    service.stop()
    service.start()
    broker.publish(("pipeline-created", event(environment), "k"))
    receiver.wait(2, "/hook")
    # The others were not read again.
    assert service.log().count("a message from Kafka cannot be understood") == len(wrong)


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


WAITING = "events from Kafka have to wait"


def test_events_wait_in_kafka_while_the_store_is_full(serve_webhooks, receive, broke):
    broker, receiver, environment = broke(), receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address, MAX_STORE_BYTES="16m")
    service.add(environment, receiver.url("/hook"), events=EVENTS)
    # The broker keeps 5 MB of a partition.
    messages = [(name, event(environment, event_id="%s-%d" % (name, n), data="x" * 400_000), "k")
                for n in range(7) for name in EVENTS]
    broker.publish(*messages)
    wait_for(lambda: WAITING in service.log())
    # The worker tries again each second, and does not log it again. Nothing counts these tries, so this takes time.
    time.sleep(1.5)
    assert service.log().count(WAITING) == 1
    assert len(receiver.arrivals("/hook")) < len(messages)
    service.stop()
    service.settings["MAX_STORE_BYTES"] = "256m"
    service.start()
    calls = lambda: {arrival["id"] for arrival in receiver.arrivals("/hook")}  # noqa: E731
    wait_for(lambda: calls() == {message[1]["event_id"] for message in messages}, 40, 0.2)


def skipped(service):
    """The metrics of skipped events: those of environments that do not exist, and messages that are not events."""
    metrics = service.metrics()
    return [metrics['events_left_out_total{reason="%s"}' % reason] for reason in ("unknown_environment", "unreadable")]


def test_events_of_environments_that_do_not_exist_are_logged_counted_and_skipped(serve_webhooks, receive, broke):
    broker, receiver, environment, missing = broke(), receive(), new_environment(), new_environment()
    receiver.rule("/api/environments/" + missing, status=404)
    service = serve_webhooks(KAFKA_BROKERS=broker.address, PROJECT_MANAGEMENT_API_URI=receiver.url("/api"))
    service.add(environment, receiver.url("/hook"))
    messages = [
        ("pipeline-created", event(environment if n % 3 else missing, event_id="e%d" % n), "k") for n in range(90)
    ]
    broker.publish(*messages, ("pipeline-created", "{", "k"))
    receiver.wait(60, "/hook")
    told = "an event from Kafka is of an environment that does not exist"
    wait_for(lambda: service.log().count(told) == 30)
    assert all(missing in line and "offset" in line for line in service.log().splitlines() if told in line)
    wait_for(lambda: skipped(service) == [30, 1])
    service.stop()
    service.start()
    broker.publish(("pipeline-created", event(environment, event_id="last"), "k"))
    receiver.wait(61, "/hook")
    # The others were not read again, and the counts are kept.
    assert service.log().count(told) == 30 and skipped(service) == [30, 1]
    assert len(receiver.arrivals("/hook")) == 61
    # The answer is reused: there were only a few questions, for the first batches and after the restart.
    assert len(receiver.arrivals("/api/environments/" + environment)) <= 4


@pytest.mark.parametrize("rule, is_killed", [({"status": 500}, True), ({"fault": "hang"}, False)])
def test_events_wait_in_kafka_while_project_management_does_not_answer(serve_webhooks, receive, broke, rule, is_killed):
    broker, receiver, known, unanswered = broke(), receive(), new_environment(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address, PROJECT_MANAGEMENT_API_URI=receiver.url("/api"))
    for environment in (known, unanswered):
        service.add(environment, receiver.url("/hook"))
    # The worker has asked for neither yet.
    question = "/api/environments/" + unanswered
    receiver.rule(question, **rule)
    broker.publish(*(
        ("pipeline-created", event(environment, event_id="%s-%d" % (environment, n)), "k")
        for n in range(20) for environment in (known, unanswered)
    ))
    wait_for(lambda: WAITING in service.log())
    # Events that are posted over HTTP are delivered meanwhile.
    service.publish(known)
    receiver.wait(1, "/hook")
    # Once the worker asks again, it has tried to store the batch again, and has not logged that again.
    receiver.wait(len(receiver.arrivals(question)) + 1, question)
    service.finish()
    assert service.log().count(WAITING) == 1 and len(receiver.arrivals("/hook")) == 1
    if is_killed:
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
    receiver.rule(question, status=200)
    receiver.wait(41, "/hook", seconds=60)
    # A message of the same partition comes after all others.
    broker.publish(("pipeline-created", event(known, event_id="last"), "k"))
    receiver.wait(42, "/hook")
    service.finish()
    assert len(receiver.arrivals("/hook")) == 42


def test_an_unreachable_broker_is_logged_once_and_once_more_when_it_is_back(serve_webhooks, receive, broke):
    broker, receiver, environment = broke(), receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS=broker.address, LOG_LEVEL="DEBUG")
    service.add(environment, receiver.url("/hook"))
    broker.publish(("pipeline-created", event(environment)))
    receiver.wait(1, "/hook")
    workers = service.workers()
    unreachable = "no Kafka broker can be reached"
    for turn in (1, 2):
        broker.tell("down")
        wait_for(lambda turn=turn: service.log().count(unreachable) == turn)
        # Each failed connection is logged at debug level: wait for two more of them.
        wait_for(lambda: service.log().rpartition(unreachable)[2].count("Connection refused") >= 2)
        service.publish(environment)
        receiver.wait(2 * turn, "/hook")
        broker.tell("up")
        wait_for(lambda turn=turn: service.log().count("a Kafka broker can be reached again") == turn)
        broker.publish(("pipeline-created", event(environment)))
        receiver.wait(2 * turn + 1, "/hook")
    assert service.log().count(unreachable) == 2
    assert service.workers() == workers


@pytest.fixture
def between():
    """Starts proxies that end with the test."""
    started = []

    def start(broker, **options):
        started.append(KafkaProxy(broker.address, **options))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


def test_brokers_are_reached_through_tls_with_a_certificate_and_a_login(
    serve_webhooks, receive, broke, between, tmp_path
):
    certificate(str(tmp_path))
    authority, client, key = client_certificate(tmp_path)
    server = [str(tmp_path / name) for name in ("cert.pem", "key.pem")]
    broker, receiver, environment = broke(), receive(), new_environment()
    proxy = between(broker, certificates=(authority, *server))
    settings = dict(
        KAFKA_BROKERS=proxy.address, KAFKA_SECURITY_PROTOCOL="sasl_ssl", KAFKA_SASL_USERNAME="reader",
        KAFKA_SASL_PASSWORD="s3cret-word", KAFKA_SSL_CA_LOCATION=server[0], KAFKA_SSL_CERTIFICATE_LOCATION=client,
        KAFKA_SSL_KEY_LOCATION=key,
    )
    service = serve_webhooks(**settings)
    service.add(environment, receiver.url("/hook"))
    broker.publish(("pipeline-created", event(environment)))
    receiver.wait(1, "/hook")
    assert set(proxy.clients) == {"client"} and set(proxy.logins) == {b"\0reader\0s3cret-word"}
    assert "s3cret-word" not in service.log()
    # A broker with a certificate of another authority gets no login.
    logins = len(proxy.logins)
    service = serve_webhooks(**{**settings, "KAFKA_SSL_CA_LOCATION": authority})
    wait_for(lambda: proxy.failed_handshakes)
    assert len(proxy.logins) == logins


def test_missing_topics_are_created_with_the_replication_factor(serve_webhooks, receive, broke, between):
    broker, receiver, environment = broke(prefix="new-"), receive(), new_environment()
    for name in EVENTS:
        broker.tell("hide new-" + name)
    proxy = between(broker, make=lambda topic: broker.tell("show " + topic))
    service = serve_webhooks(
        KAFKA_BROKERS=proxy.address, KAFKA_TOPIC_PREFIX="new-", KAFKA_TOPIC_REPLICATION_FACTOR=3
    )
    wait_for(lambda: len(proxy.made) == len(EVENTS))
    # -1: the broker's default number of partitions.
    assert sorted(proxy.made) == sorted(("new-" + name, -1, 3) for name in EVENTS)
    wait_for(lambda: service.log().count("made a topic that was missing") == len(EVENTS))
    service.add(environment, receiver.url("/hook"))
    broker.publish(("new-pipeline-created", event(environment)))
    receiver.wait(1, "/hook", 30)


def test_topics_that_cannot_be_created_are_logged_and_the_others_are_read(serve_webhooks, receive, broke, between):
    broker, receiver, environment = broke(), receive(), new_environment()
    for name in EVENTS:
        broker.tell("hide " + name)
    service = serve_webhooks(KAFKA_BROKERS=between(broker).address)
    service.add(environment, receiver.url("/hook"))
    broker.publish(("events", event(environment, event="pipeline-created")))
    receiver.wait(1, "/hook", 30)
    wait_for(lambda: "Topic Admin API" in service.log())
    assert service.log().count("Topic Admin API") == 1


def test_without_a_broker_the_service_starts_serves_and_stops(serve_webhooks, receive):
    receiver, environment = receive(), new_environment()
    service = serve_webhooks(KAFKA_BROKERS="127.0.0.1:1")
    service.add(environment, receiver.url("/hook"))
    service.publish(environment)
    receiver.wait(1, "/hook")
    wait_for(lambda: "no Kafka broker can be reached" in service.log())
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 3
