"""Unusual targets: closed connections, errors that pass, charsets, long URLs, and no answer at all."""

import socket
import threading

import pytest
from event_service import EventService, event, on, token
from harness import wait_for
from webhook_service import WebhookService, new_environment, refusal


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    service = EventService(tmp_path_factory.mktemp("router"), RESPONDERS=1, EVENTS_RETRY_SCHEDULE="100ms,100ms").start()
    yield service
    service.stop()


class Target:
    """A TCP server on 127.0.0.1 that calls `serve` with each connection."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = "http://127.0.0.1:%d/" % self.listener.getsockname()[1]
        self.serve = serve
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.attend, args=(connection,), daemon=True).start()

    def attend(self, connection):
        with connection:
            try:
                self.serve(connection)
            except OSError:
                pass

    def close(self):
        self.listener.close()


@pytest.fixture
def target():
    made = []

    def make(serve):
        made.append(Target(serve))
        return made[-1]

    yield make
    for one in made:
        one.close()


def read_request(connection):
    """Reads a request with its body; empty if the client has closed the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return data


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def closes_on_the_next(requests):
    """Answers the first request of each connection, and closes it without reading the second one."""

    def serve(connection):
        requests.append(read_request(connection))
        connection.sendall(OK)
        connection.recv(1)

    return serve


def test_an_event_is_sent_again_at_once_if_a_kept_connection_was_closed(router, target):
    requests = []
    one = target(closes_on_the_next(requests))
    key, user = token(), token("u")
    made = router.subscribe(user, one.url, on(key))
    for number in range(8):
        router.settle(router.send(event(key, number)), made, "delivered")
    assert [(line["attempt"], line["error"], line["target_status_code"]) for line in router.lines(made)] == [(1, None, 200)] * 8
    assert router.subscription(made)["disabled"] is None and len(requests) == 8


def test_a_webhook_is_sent_again_at_once_if_a_kept_connection_was_closed(router, target):
    requests = []
    one = target(closes_on_the_next(requests))
    webhook = router.add(new_environment(), one.url)
    for _ in range(4):
        router.publish(webhook["environment_id"])
        log = WebhookService.settle(router, webhook)
    assert [(line["attempt"], line["status_code"], line["final"]) for line in log] == [(1, 200, True)] * 4


def test_closing_a_new_connection_without_an_answer_is_a_failed_attempt(router, target):
    count = []

    def serve(connection):
        read_request(connection)
        count.append(1)

    made = router.subscribe(token("u"), target(serve).url, on(key := token()))
    router.send(event(key))
    router.wait_disabled(made)
    assert [line["error_kind"] for line in router.lines(made)] == ["reset"] * 3 and len(count) == 3


def test_an_answer_that_breaks_off_on_a_kept_connection_is_a_failed_attempt(router, target):
    count = []

    def serve(connection):
        for number in range(2):
            if not read_request(connection):
                return
            count.append(1)
            connection.sendall(OK if number == 0 else b"HTTP/1.1 200 OK\r\nContent-Le")

    made = router.subscribe(token("u"), target(serve).url, on(key := token()))
    router.settle(router.send(event(key, 0)), made, "delivered")
    sent = router.send(event(key, 1))
    router.settle(sent, made, "delivered")
    # The event was not sent again at once: the second attempt has a line of its own.
    lines = router.lines(made)
    assert ([line["attempt"] for line in lines], len(count)) == ([2, 1, 1], 3), lines


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, 423, 451])
def test_an_error_that_may_pass_disables_nothing(router, receive, status):
    receiver = receive({"*": {"status": [status, status, 200]}})
    made = router.subscribe(token("u"), receiver.url("/"), on(key := token()))
    router.settle(router.send(event(key)), made, "delivered")
    assert router.subscription(made)["disabled"] is None
    assert [line["target_status_code"] for line in router.lines(made)] == [200, status, status]


def test_events_missed_while_disabled_are_counted_and_can_be_replayed(router, receive):
    receiver = receive({"*": {"status": 410}})
    key, user = token(), token("u")
    made = router.subscribe(user, receiver.url("/"), on(key))
    router.send(event(key, 0))
    router.wait_disabled(made)
    assert "missed" not in router.subscription(made)
    sent = [router.send(event(key, number)) for number in (1, 2, 3)]
    router.send(event(token(), 4))
    wait_for(lambda: router.subscription(made).get("missed", {}).get("count") == 3)
    since = router.subscription(made)["missed"]["since"]
    assert since == router.history(sent[0], user)["received"]
    assert [router.state(one, made) for one in sent] == [None] * 3
    receiver.rule("*", status=200)
    router.change(made, disabled=None, error=None)
    assert router.subscription(made)["missed"] == {"count": 3, "since": since}
    answer = router.ask("POST", "/eventmatch/%s/replay" % made["uuid"], {"since": since}, user)
    assert answer.status == 202
    for one in sent:
        router.settle(one, made, "delivered")
    assert "missed" not in router.subscription(made)


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize(
    "head, body, text",
    [
        ("Content-Type: text/plain; charset=ISO-8859-1", "refusé".encode("latin-1"), "refusé"),
        ('Content-Type: text/html;level=1;charset="windows-1251"', "Нет".encode("cp1251"), "Нет"),
        ("Content-Type: text/plain", "refusé".encode("latin-1"), "refusé"),
        ("Content-Type: text/plain; charset=utf-16", "non é".encode("utf-16"), "non é"),
        ("X-Nothing: é", "é".encode(), "é"),
    ],
)
def test_an_error_is_decoded_by_its_charset(router, target, head, body, text):
    def serve(connection):
        while read_request(connection):
            answer = "HTTP/1.1 410 Weg\r\n%s\r\nX-Name: caf\xe9\r\nContent-Length: %d\r\n\r\n" % (head, len(body))
            connection.sendall(answer.encode("latin-1") + body)

    one = target(serve)
    made = router.subscribe(token("u"), one.url, on(key := token()))
    router.send(event(key))
    assert router.wait_disabled(made)["error"] == text
    assert router.lines(made)[0]["target_resp_body"] == text
    webhook = router.add(new_environment(), one.url)
    router.publish(webhook["environment_id"])
    (line,) = WebhookService.settle(router, webhook)
    assert line["response_body"] == text and line["response_headers"]["X-Name"] == "café"


def test_a_url_may_have_sixteen_kilobytes(router, receive):
    receiver = receive()
    url = receiver.url("/long?") + "x" * (16384 - len(receiver.url("/long?")))
    made = router.subscribe(token("u"), url, on(key := token()))
    router.settle(router.send(event(key)), made, "delivered")
    assert router.subscription(made)["target_url"] == url
    webhook = router.add(new_environment(), url)
    router.publish(webhook["environment_id"])
    assert WebhookService.settle(router, webhook)[0]["status_code"] == 200
    longer = {"name": "x", "jsonpath": "$", "target_url": url + "x"}
    answer = router.ask("POST", "/eventmatch", longer, token("u"))
    assert answer.status == 400 and "16384 bytes" in answer.json()["message"]
    answer = router.api("POST", "/environments/%s/webhooks" % new_environment(), {"name": "x", "url": url + "x", "events": ["job-created"]})
    assert "16384 bytes" in refusal(answer, 400, 1004)


# ---------------------------------------------------------------- hanging targets


def test_hanging_webhooks_of_six_environments_delay_no_seventh(serve_webhooks, target, receive):
    receiver = receive()
    # The kernel accepts the connections, and nothing reads from them.
    silent = socket.create_server(("127.0.0.1", 0), backlog=2048)
    url = "http://127.0.0.1:%d/" % silent.getsockname()[1]
    service = serve_webhooks(RESPONDERS=2, WEBHOOKS_WRITE_TIMEOUT="30s")
    floods = [new_environment() for _ in range(6)]
    for flood in floods:
        for _ in range(10):
            service.add(flood, url)
        for _ in range(16):
            service.publish(flood)
    webhook = service.add(new_environment(), receiver.url("/"))
    # All slots but those of the reserve.
    wait_for(lambda: service.metrics()["inflight"] >= 512)
    for _ in range(20):
        service.publish(webhook["environment_id"])
    receiver.wait(20, seconds=10)
    assert service.metrics()["inflight"] >= 512
    silent.close()
