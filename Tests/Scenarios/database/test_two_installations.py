"""Two installations, each with a data directory of its own, serve one database."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from event_service import EventService, event, on, token
from harness import Senders, Threads, together, wait_for
from queue_service import QueueSenders, basic, configuration, plain_user, read_messages, roomy
from webhook_service import Receiver, header_of, new_environment

SECRET = "0123456789abcdef0123456789abcdef"
ROUNDS = 40


class QueueCalls:
    """What the threads that post and read need of a service with queues."""

    def __init__(self, service):
        self.service, self.connection = service, service.connection

    def post(self, queue, body, connection=None):
        return self.service.call("POST", "/q/" + queue, body, connection=connection)


@pytest.fixture(scope="module")
def pair(server, tmp_path_factory):
    """Two installations that route events, deliver webhooks and have the queue "orders"."""
    settings = server.database()
    config = configuration([roomy("orders")], users=())
    config["users"] = [plain_user("alice", ["orders"])]
    directory = tmp_path_factory.mktemp("installations")
    options = directory / "options.conf"
    options.write_text(json.dumps(config))
    services = [
        EventService(
            directory / name, RESPONDERS=2, DB_ENCRYPTION_SECRET=SECRET, QUEUE_CONFIG=options, MAX_ENDPOINT_NOTIFICATIONS=100_000, **settings
        )
        for name in ("first", "second")
    ]
    for service in services:
        service.start()
    yield services
    for service in services:
        service.stop()


def test_an_endpoint_made_through_one_is_used_through_the_other(pair):
    first, second = pair
    endpoint = first.create()
    assert second.look(endpoint).json()["notifications"] == []
    assert second.hook(endpoint, "one").status == 200
    assert first.hook(endpoint, "two").status == 200
    assert [n["body"] for n in first.look(endpoint).json()["notifications"]] == ["one", "two"]
    assert second.bodies(endpoint) == ["one", "two"]
    assert first.bodies(endpoint) == []
    assert first.configure(endpoint, enabled=False).status == 204
    assert second.hook(endpoint, "three").status == 500
    assert second.call("DELETE", "/manage/endpoint/" + endpoint).status == 204
    assert first.look(endpoint).status == 404 and first.hook(endpoint).status == 404


def test_numbers_have_no_gap_and_no_repetition_when_both_post_at_once(pair):
    endpoints = [pair[0].create(), pair[1].create()]
    first, second = (Senders(service, endpoints, 3) for service in pair)
    with first, second:
        wait_for(lambda: len(first.sent()) >= 100 and len(second.sent()) >= 100)
    assert first.failures == second.failures == []
    found = [pair[index].collect(endpoint) for index, endpoint in enumerate(endpoints)]
    for notifications in found:
        assert [n["id"] for n in notifications] == list(range(1, len(notifications) + 1))
    assert sorted(n["body"] for notifications in found for n in notifications) == sorted(first.sent() + second.sent())


def test_each_notification_is_collected_once_when_both_collect_at_once(pair):
    endpoint = pair[0].create()
    collected = [[], []]

    class Collectors(Threads):
        def run(self, index):
            while not self.stopping.is_set():
                collected[index] += [n["body"] for n in pair[index].collect(endpoint)]

    senders = Senders(pair[0], [endpoint], 3)
    with Collectors(range(2)):
        with senders:
            wait_for(lambda: len(senders.sent()) >= 100)
    rest = pair[0].bodies(endpoint)
    assert senders.failures == [] and sorted(collected[0] + collected[1] + rest) == senders.sent()


def test_a_wait_on_one_ends_when_the_webhook_comes_in_at_the_other(pair):
    endpoint = pair[0].create()
    waiting = pair[0].begin("GET", "/manage/endpoint/%s/notifications?wait=60" % endpoint)
    assert not waiting.is_answered
    assert pair[1].hook(endpoint, "here").status == 200
    assert [n["body"] for n in waiting.answer().json()["notifications"]] == ["here"]


def test_a_read_on_one_ends_when_the_message_comes_in_at_the_other(pair):
    first, second = pair
    assert first.call("POST", "/listen/waits/orders", headers=basic("alice")).status == 200
    waiting = first.begin("POST", "/read/waits?wait=60", basic("alice"))
    assert not waiting.is_answered
    assert second.call("POST", "/q/orders", "here").status == 200
    assert [text for _, text in read_messages(waiting.answer())] == ["here"]
    assert second.call("POST", "/unlisten/waits", headers=basic("alice")).status == 200


def test_a_client_reads_through_either_what_was_posted_to_either(pair):
    assert pair[0].call("POST", "/listen/both/orders", headers=basic("alice")).status == 200
    first, second = (QueueSenders(QueueCalls(service), ["orders"], 2) for service in pair)
    with first, second:
        wait_for(lambda: len(first.sent()) >= 50 and len(second.sent()) >= 50)
    assert first.failures == second.failures == []
    found = []
    for _ in range(1000):
        messages = read_messages(pair[len(found) % 2].call("POST", "/read/both?limit=7", headers=basic("alice")))
        if not messages:
            break
        found += messages
    numbers = [number for number, _ in found]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert sorted(text for _, text in found) == sorted(first.sent() + second.sent())


def test_an_event_with_one_key_is_kept_once_when_both_get_it_at_once(pair):
    environment = new_environment()

    def publish(number):
        return pair[number % 2].publish(environment, headers={"Idempotency-Key": key})["event_id"]

    for _ in range(10):
        key = token()
        assert len(set(together(8, publish))) == 1


def texts(receiver, path):
    """The texts and the ids of the calls for a path."""
    calls = receiver.arrivals(path)
    return sorted(json.loads(call["body"])["data"]["text"] for call in calls), {header_of(call, "webhook-id") for call in calls}


def test_each_event_is_delivered_to_a_webhook_once(pair, tmp_path):
    receiver = Receiver(tmp_path, {"*": {"delay": 0.01}})
    environment = new_environment()
    webhooks = [pair[index].add(environment, receiver.url("/%d" % index)) for index in range(2)]
    names = ["%d" % number for number in range(ROUNDS)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: pair[int(name) % 2].publish(environment, data={"text": name}), names))
    for service in pair:
        service.finish()
    for index, webhook in enumerate(webhooks):
        came, ids = texts(receiver, "/%d" % index)
        assert came == sorted(names) and len(ids) == ROUNDS
        assert pair[1 - index].statistics(webhook)["delivered"] == ROUNDS
    receiver.stop()


def test_each_event_is_routed_once(pair, tmp_path):
    receiver = Receiver(tmp_path, {"*": {"delay": 0.01}})
    key = token()
    made = [pair[index].subscribe("dave", receiver.url("/%d" % index), on(key)) for index in range(2)]
    for number in range(ROUNDS):
        answer = pair[number % 2].ask("POST", "/receive", event(key, number), "dave")
        assert answer.status == 200, answer.text
    for service in pair:
        service.finish()
    for index in range(2):
        came = sorted(json.loads(call["body"])["data"][key] for call in receiver.arrivals("/%d" % index))
        assert came == list(range(ROUNDS))
        assert pair[1 - index].subscription(made[index])["uuid"] == made[index]["uuid"]
    receiver.stop()


def test_a_worker_that_starts_leaves_the_calls_of_the_other_alone(pair, tmp_path):
    receiver = Receiver(tmp_path, {"*": {"delay": 2}})
    environment, key = new_environment(), token()
    pair[0].subscribe("dave", receiver.url("/routed"), on(key))
    pair[0].add(environment, receiver.url("/webhook"))
    pair[1].stop()
    pair[0].publish(environment, data={"text": "slow"})
    assert pair[0].ask("POST", "/receive", event(key), "dave").status == 200
    receiver.wait(2)
    pair[1].start()
    for service in pair:
        service.finish()
    assert [call["path"] for call in receiver.arrivals()] in (["/routed", "/webhook"], ["/webhook", "/routed"])
    receiver.stop()


def test_the_calls_of_a_killed_installation_are_made_by_the_other_when_their_leases_end(server, tmp_path, clock):
    settings = {"DB_ENCRYPTION_SECRET": SECRET, **server.database()}
    killed = EventService(tmp_path / "killed", **settings).start()
    other = EventService(tmp_path / "other", **settings, **clock.settings).start()
    receiver = Receiver(tmp_path / "receiver", {"*": {"delay": 1}})
    environment = new_environment()
    other.add(environment, receiver.url("/killed"))
    other.process.send_signal(signal.SIGSTOP)
    for pid in other.workers():
        os.kill(pid, signal.SIGSTOP)
    killed.publish(environment, data={"text": "begun"})
    receiver.wait(1)
    killed.kill_all()
    other.process.send_signal(signal.SIGCONT)
    for pid in other.workers():
        os.kill(pid, signal.SIGCONT)
    clock.advance(60)
    other.finish()
    came, ids = texts(receiver, "/killed")
    assert came == ["begun", "begun"] and len(ids) == 1
    other.stop()
    receiver.stop()
