"""The database server is killed, or stopped, while requests arrive, and started again."""

import collections
import threading
import time

import pytest
from event_service import EventService
from harness import Threads, wait_for
from queue_service import configuration, read_messages, roomy
from webhook_service import Receiver, header_of, new_environment

THREADS = 8


class Load(Threads):
    """Threads that call `send` with numbered bodies, and try again after an answer that does not say that the body is stored."""

    def __init__(self, service, send):
        self.service, self.send = service, send
        self.stored, self.refused, self.failures = [], collections.Counter(), []
        self.lock = threading.Lock()
        super().__init__(range(THREADS))

    def run(self, index):
        connection, number = self.service.connection(60), 0
        while not self.stopping.is_set():
            body = "%d-%d" % (index, number)
            number += 1
            try:
                answer = self.send(body, connection)
            except OSError as error:
                self.failures.append((body, repr(error)))
                return
            with self.lock:
                if answer.status in (200, 202):
                    self.stored.append(body)
                elif answer.status == 503 and int(answer.headers.get("retry-after", 0)) > 0:
                    self.refused[body] = 503
                    time.sleep(0.02)
                else:
                    self.failures.append((body, answer.status, answer.headers, answer.text))
        connection.close()

    def wait(self, count):
        """Waits until so many more bodies are stored."""
        before = len(self.stored)
        wait_for(lambda: len(self.stored) >= before + count or self.failures, 30)
        assert self.failures == []


def interrupt(server, load, kill):
    """Ends the server under load, and starts it again after a second."""
    load.wait(300)
    kill()
    time.sleep(1)
    server.start()
    load.wait(300)


def compare(load, found):
    """What was answered 200 is there once. What was answered 503 is not, unless its sender was told so too early."""
    assert load.failures == []
    times = collections.Counter(found)
    assert set(load.stored) <= set(times), sorted(set(load.stored) - set(times))[:5]
    assert [body for body, count in times.items() if count > 1] == []
    assert [body for body in load.refused if body in times] == []


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_every_acknowledged_notification_is_kept_once(serve, server, database, way):
    service = serve(RESPONDERS=2, MAX_ENDPOINT_NOTIFICATIONS=1_000_000, **database)
    endpoint = service.create()
    processes = set(service.children())
    with Load(service, lambda body, connection: service.hook(endpoint, body, connection=connection)) as load:
        interrupt(server, load, getattr(server, way))
    assert set(service.children()) == processes
    notifications = []
    while found := service.collect(endpoint):
        notifications += found
    assert [n["id"] for n in notifications] == list(range(1, len(notifications) + 1))
    compare(load, [n["body"] for n in notifications])
    assert "crash" not in service.log()


def test_every_acknowledged_message_is_kept_once(serve_queues, server, database):
    service = serve_queues(configuration([roomy("orders")]), RESPONDERS=2, **database)
    service.listen("reader", "orders")
    with Load(service, lambda body, connection: service.post("orders", body, connection=connection)) as load:
        interrupt(server, load, server.kill)
    messages = []
    while found := read_messages(service.read("reader", "?limit=500")):
        messages += found
    assert [number for number, _ in messages] == list(range(messages[0][0], messages[0][0] + len(messages)))
    compare(load, [text for _, text in messages])


def test_every_acknowledged_event_is_delivered(server, database, tmp_path):
    service = EventService(tmp_path / "data", RESPONDERS=2, **database).start()
    receiver = Receiver(tmp_path / "receiver")
    environment = new_environment()
    service.add(environment, receiver.url("/webhook"))
    processes = set(service.children())

    def publish(body, connection):
        event = {"event": "pipeline-created", "event_id": body, "data": {}}
        return service.api("POST", "/environments/%s/events" % environment, event, connection=connection)

    with Load(service, publish) as load:
        interrupt(server, load, server.kill)
    service.finish(60)
    assert set(service.children()) == processes
    ids = {header_of(call, "webhook-id") for call in receiver.arrivals("/webhook")}
    assert load.failures == [] and len(ids) == len(load.stored)
    service.stop()
    receiver.stop()


def test_a_wait_goes_on_when_the_server_comes_back(serve, server, database):
    service = serve(RESPONDERS=2, **database)
    endpoint = service.create()
    waiting = service.begin("GET", "/manage/endpoint/%s/notifications?wait=60" % endpoint)
    server.kill()
    wait_for(lambda: service.hook(endpoint, "x").status == 503)
    server.start()
    wait_for(lambda: service.hook(endpoint, "here").status == 200)
    answer = waiting.answer()
    assert answer.status in (200, 503), answer.text
    if answer.status == 200:
        assert [n["body"] for n in answer.json()["notifications"]] == ["here"]


def test_a_service_stops_while_the_server_is_down(serve, server, database):
    service = serve(RESPONDERS=2, **database)
    server.kill()
    assert service.hook("x" * 32).status in (404, 503)
    assert service.stop() == 0
    server.start()


def test_a_service_that_starts_again_finds_what_was_kept(serve, server, database):
    service = serve(RESPONDERS=2, **database)
    endpoint = service.create()
    service.hook(endpoint, "kept")
    server.kill()
    service.kill_all()
    server.start()
    service.start()
    assert service.bodies(endpoint) == ["kept"]
