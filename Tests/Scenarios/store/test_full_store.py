"""A store that has reached MAX_STORE_BYTES: when it accepts posts again, and what it still knows."""

import json
import os
import socket
import struct
import time
import uuid

from harness import wait_for
from queue_service import configuration, roomy


def fill(service, endpoint, refusals):
    """Posts until `refusals` posts were refused."""
    connection = service.connection()
    refused = 0
    while refused < refusals:
        status = service.hook(endpoint, b"x" * 100000, connection=connection).status
        assert status in (200, 507)
        refused += status == 507


class Responder:
    """Sends requests with chosen ids directly to the responder, as nginx does."""

    def __init__(self, service):
        self.path = os.path.join(service.directory, "run", "responder-1.sock")
        # Within the 80 s for which nginx may repeat a request.
        self.time = time.time() - 60

    @staticmethod
    def record(kind, content):
        return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content

    def ask(self, method, target, request, body=b""):
        parameters = {
            "REQUEST_METHOD": method, "REQUEST_URI": target, "CONTENT_LENGTH": str(len(body)), "QUERY_STRING": "",
            "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_ID": request, "REQUEST_TIME": "%.3f" % self.time,
        }  # fmt: skip
        pairs = b"".join(
            struct.pack(">BB", len(name), len(value)) + name.encode() + value.encode()
            for name, value in parameters.items())
        sent = self.record(1, struct.pack(">HB5x", 1, 0)) + self.record(4, pairs) + self.record(4, b"")
        sent += (self.record(5, body) if body else b"") + self.record(5, b"")
        output = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.path)
            connection.sendall(sent)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        while received:
            _, kind, _, length, padding = struct.unpack(">BBHHBx", received[:8])
            if kind == 6:
                output += received[8:8 + length]
            received = received[8 + length + padding:]
        head, _, content = output.partition(b"\r\n\r\n")
        return head.decode(), content


def test_a_full_store_gives_a_repeated_request_the_same_answer(serve):
    service = serve(RESPONDERS=1, MAX_STORE_BYTES="16m", DURABILITY="process", MAX_ENDPOINT_NOTIFICATIONS=100000)
    endpoint, filler = service.create(), service.create()
    responder = Responder(service)
    post, collect = uuid.uuid4().hex, uuid.uuid4().hex
    hook, manage = "/webhook/" + endpoint, "/manage/endpoint/" + endpoint
    assert service.hook(endpoint, b"collected once").status == 200
    _, content = responder.ask("GET", manage, collect)
    assert [n["body"] for n in json.loads(content)["notifications"]] == ["collected once"]
    head, _ = responder.ask("POST", hook, post, b"posted once")
    assert "200" in head
    fill(service, filler, refusals=20)
    head, _ = responder.ask("POST", hook, post, b"posted once")
    assert "200" in head
    _, content = responder.ask("GET", manage, collect)
    assert [n["body"] for n in json.loads(content)["notifications"]] == ["collected once"]
    assert [n["body"] for n in service.look(endpoint).json()["notifications"]] == ["posted once"]


def test_what_a_full_store_refuses_is_not_among_the_refused_requests(serve):
    service = serve(RESPONDERS=1, MAX_STORE_BYTES="16m", DURABILITY="process", MAX_ENDPOINT_NOTIFICATIONS=100000)
    endpoint = service.create()
    fill(service, endpoint, refusals=20)
    answer = service.call("GET", "/manage/endpoint/%s/notifications?refused&after=0" % endpoint)
    assert answer.status == 200 and answer.json()["notifications"] == []


def test_a_full_store_accepts_a_configuration_that_removes_a_queue(serve_queues):
    """Also if requests of all kinds have used the last space before."""
    config = configuration([roomy("large"), {"name": "small"}])
    service = serve_queues(config, MAX_STORE_BYTES="16m", DURABILITY="process")
    while service.post("large", b"z" * 15000).status == 200:
        pass
    service.ask("POST", "/setPassword", b'{"password":"alice-secret"}')
    service.ask("POST", "/listen/reader/large")
    service.ask("POST", "/unlisten/reader")
    service.call("POST", "/manage/endpoint")
    service.ask("GET", "/queues", secret="wrong")
    subscription = json.dumps({"name": "a", "jsonpath": "$.a", "target_url": "http://192.0.2.1/"})
    service.call("POST", "/eventmatch", subscription.encode(), {"Content-Type": "application/json"})
    for _ in range(3):
        service.call("POST", "/receive", b'{"eventType":"a","extensions":{}}', {"Content-Type": "application/json"})
    service.write(configuration([{"name": "small"}]))
    assert service.reload().status == 200
    wait_for(lambda: service.post("small", b"x" * 5000).status == 200)
    assert [queue["name"] for queue in service.overview(user="admin")["queues"]] == ["small"]
