"""Clients that request large answers and do not read them: how much memory the responders hold for them."""

import base64
import json
import socket

import pytest
from harness import wait_until_arrived
from queue_service import basic, configuration


class SlowReader:
    """Sends a request, and does not read the answer until `read` is called."""

    def __init__(self, service, path, headers=None):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", service.port))
        lines = ["GET %s HTTP/1.1" % path, "Host: h", "Connection: close"]
        lines += ["%s: %s" % field for field in (headers or {}).items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        wait_until_arrived(self.socket)

    def read(self):
        """Reads the answer to its end; returns its status and body."""
        self.socket.settimeout(60)
        with self.socket.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            fields = {}
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                fields[name.lower()] = value.strip()
            if fields.get(b"transfer-encoding") != b"chunked":
                return status, stream.read()
            body = b""
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            return status, body

    def close(self):
        self.socket.close()


def resident(service):
    """The private memory of the responders in MB, without the pages of the store's file."""
    total = 0
    for pid in service.responders():
        with open("/proc/%d/status" % pid) as status:
            total += int(next(line.split()[1] for line in status if line.startswith("RssAnon")))
    return total / 1024


def held(service, readers):
    """Starts readers; returns by how many MB the memory of the responders has grown, and the readers."""
    service.come_to_rest()
    before = resident(service)
    slow = readers()
    service.come_to_rest()
    return resident(service) - before, slow


LARGE = b"x" * 1_000_000


def test_a_look_that_is_not_read_holds_less_than_a_megabyte(serve):
    service = serve(RESPONDERS=2, DURABILITY="process")
    endpoint = service.create()
    for _ in range(4):
        assert service.hook(endpoint, LARGE, {"Content-Type": "text/plain"}).status == 200
    path = "/manage/endpoint/%s/notifications" % endpoint
    grown, slow = held(service, lambda: [SlowReader(service, path) for _ in range(12)])
    assert grown < 12, grown
    status, body = slow[0].read()
    assert status == 200
    found = json.loads(body)["notifications"]
    assert [(n["id"], n["body"] == LARGE.decode()) for n in found] == [(n, True) for n in (1, 2, 3, 4)]
    for reader in slow:
        reader.close()


def test_a_collection_that_is_read_slowly_holds_little_and_is_complete(serve):
    service = serve(RESPONDERS=2, DURABILITY="process")
    endpoints = [service.create() for _ in range(6)]
    for endpoint in endpoints:
        for number in range(8):
            assert service.hook(endpoint, b"%d" % number + LARGE).status == 200
    paths = ["/manage/endpoint/" + endpoint for endpoint in endpoints]
    grown, slow = held(service, lambda: [SlowReader(service, path) for path in paths])
    assert grown < 6, grown
    # They are collected as soon as one client has requested them.
    assert service.collect(endpoints[0]) == []
    assert service.hook(endpoints[0], "later").status == 200
    for reader in slow[:2]:
        status, body = reader.read()
        assert status == 200
        bodies = [n["body"] for n in json.loads(body)["notifications"]]
        assert bodies == [str(number) + LARGE.decode() for number in range(8)]
    assert service.bodies(endpoints[0]) == ["later"]
    service.check()


def test_a_long_answer_has_the_same_form_as_a_short_one(serve):
    service = serve(RESPONDERS=1, DURABILITY="process")
    endpoint = service.create()
    sent = [
        ("ä€😀".encode() * 3000, "text/plain"),
        (b"\xff\xe2\x82" * 9001, "application/octet-stream"),
        ("grün€".encode("utf-16-le") * 7000, "text/plain; charset=utf-16le"),
        (b"short", "text/plain"),
    ]
    for body, kind in sent:
        assert service.hook(endpoint, body, {"Content-Type": kind}).status == 200
    found = service.look(endpoint).json()["notifications"]
    assert [n["body"] for n in found] == ["ä€😀" * 3000, sent[1][0].decode(errors="replace"), "grün€" * 7000, "short"]
    assert base64.b64decode(found[1]["bodyBase64"]) == sent[1][0]
    assert ["bodyBase64" in n for n in found] == [False, True, True, False]
    assert service.collect(endpoint) == found


def test_a_queue_that_is_read_slowly_holds_little_and_is_complete(serve_queues):
    config = configuration(["orders"], max_message_count=100, max_message_size=16_000_000, max_queue_size=100_000_000)
    service = serve_queues(config, RESPONDERS=2, DURABILITY="process")
    for client in range(8):
        assert service.call("GET", "/listen/c%d/orders" % client, headers=basic("alice")).status == 200
    bodies = [b"%d" % number + b"x" * 2_000_000 for number in range(3)] + [b"\xfe" * 50_000]
    for body in bodies:
        assert service.post("orders", body).status == 200
    paths = ["/read/c%d%s" % (client, "?ack=manual" if client % 2 else "") for client in range(8)]
    grown, slow = held(service, lambda: [SlowReader(service, path, basic("alice")) for path in paths])
    assert grown < 8, grown
    for reader in slow[:2]:
        status, body = reader.read()
        assert status == 200
        found = json.loads(body)
        assert [m["message"] for m in found["messages"]] == [body.decode(errors="replace") for body in bodies]
        assert base64.b64decode(found["messages"][3]["messageBase64"]) == bodies[3]
        assert found["current_message"] == 4
    # c0 has read the messages. c1 reads with ack=manual and gets them again until it acknowledges them.
    assert service.read("c0").json()["messages"] == []
    assert len(service.read("c1", "?ack=manual").json()["messages"]) == 4
    for reader in slow:
        reader.close()


def test_a_read_breaks_off_and_the_next_is_410_if_its_messages_roll_off_meanwhile(serve_queues):
    config = configuration(["orders"], max_message_count=4, max_message_size=16_000_000, max_queue_size=100_000_000)
    service = serve_queues(config, RESPONDERS=1, DURABILITY="process")
    assert service.call("GET", "/listen/c/orders", headers=basic("alice")).status == 200
    for _ in range(4):
        assert service.post("orders", LARGE).status == 200
    reader = SlowReader(service, "/read/c", basic("alice"))
    service.come_to_rest()
    assert service.overview()["clients"][0]["cursor"] == 4
    for _ in range(4):
        assert service.post("orders", "new").status == 200
    with pytest.raises((ValueError, OSError)):
        json.loads(reader.read()[1])
    answer = service.read("c")
    assert answer.status == 410 and answer.json()["refresh"] is True


def test_a_request_that_waits_keeps_no_body_in_memory(serve):
    service = serve(RESPONDERS=1, MAX_ACTIVE_ENDPOINTS=2000)
    endpoints = [service.create() for _ in range(4)]

    def waiters():
        sockets = []
        for number in range(400):
            s = socket.create_connection(("127.0.0.1", service.port))
            path = "/manage/endpoint/%s/notifications?wait=60" % endpoints[number % 4]
            s.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\nContent-Length: 99000\r\n\r\n" % path.encode() + b"x" * 99_000)
            sockets.append(s)
        for s in sockets:
            wait_until_arrived(s)
        return sockets

    grown, sockets = held(service, waiters)
    # All bodies together have 40 MB. Those of one turn are in memory at the same time.
    assert grown < 34, grown
    for s in sockets:
        s.close()
