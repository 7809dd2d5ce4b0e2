"""What one client may take from the others: places to wait, connections, endpoints, time."""

import os
import select
import socket
import ssl
import struct
import subprocess
import threading

import pytest
from certificates import certificate
from crowd import Crowd
from harness import compiled, postroom, wait_for, wait_until_arrived
from queue_service import basic, configuration
from webhook_service import new_environment


def test_requests_that_wait_leave_connections_for_others_and_for_health(serve):
    service = serve(RESPONDERS=2, MAX_CONNECTIONS=128, MAX_ACTIVE_ENDPOINTS=500)
    endpoint, other = service.create(), service.create()
    # More than nginx has connections.
    crowd = Crowd(service, [endpoint] * 150)
    refused = [line for _, line in crowd.answers()]
    assert set(refused) == {b"HTTP/1.1 429 Too Many Requests"}
    result = postroom(service.directory, "health", APP_PORT=service.port, MAX_CONNECTIONS=128)
    assert result.returncode == 0, result.stderr
    assert service.hook(other, "x").status == 200
    assert service.hook(endpoint, "news").status == 200
    assert len(crowd) == 150 - len(refused) > 0
    answered = [line for _, line in crowd.answers(len(crowd))]
    assert set(answered) == {b"HTTP/1.1 200 OK"}
    crowd.close()


def test_one_address_may_have_64_slow_uploads(serve):
    service = serve(RESPONDERS=1)
    endpoint = service.create()
    head = b"POST /webhook/%s HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\nx" % endpoint.encode()
    slow = []
    for _ in range(80):
        s = socket.create_connection(("127.0.0.1", service.port))
        s.sendall(head)
        wait_until_arrived(s)
        slow.append(s)
    service.come_to_rest()
    answered, _, _ = select.select(slow, [], [], 0)
    assert [s.recv(64).startswith(b"HTTP/1.1 429") for s in answered] == [True] * 16
    # Short uploads are still accepted.
    assert service.hook(endpoint, "x" * 10_000).status == 200
    for s in slow:
        s.close()


class Streams:
    """Uploads on one HTTP/2 connection (RFC 9113) that begin and do not end, and then a GET."""

    def __init__(self, service, certificate, count, path):
        context = ssl.create_default_context(cafile=certificate)
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection(("127.0.0.1", service.port))
        self.socket = context.wrap_socket(raw, server_hostname="127.0.0.1")
        self.buffer = b""
        self.last = 2 * count + 1
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(4, 0, 0))
        for stream in range(1, self.last, 2):
            self.socket.sendall(self.head(stream, 4, "POST", path) + self.frame(0, 0, stream, b"x"))
        self.socket.sendall(self.head(self.last, 5, "GET", "/"))
        self.socket.settimeout(20)

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def head(self, stream, flags, method, path):
        """A HEADERS frame; its fields are literals without an index (RFC 7541, 6.2.2)."""
        fields = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "h")]
        block = b"".join(b"\0" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in fields)
        return self.frame(1, flags, stream, block)

    def received(self, count):
        while len(self.buffer) < count:
            self.buffer += self.socket.recv(65536)
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    def statuses(self):
        """The statuses of the uploads that are answered before the GET."""
        found = []
        while True:
            head = self.received(9)
            payload, stream = self.received(int.from_bytes(head[:3], "big")), int.from_bytes(head[5:], "big")
            if head[3] == 1 and stream == self.last:
                return found
            if head[3] == 1:
                # Three digits behind the index of ":status" and their number (RFC 7541, 6.2).
                found.append(int(payload[2:5]))


def test_slow_uploads_over_http_2_are_limited_even_without_a_length(serve, tmp_path):
    server, key = certificate(str(tmp_path))
    service = serve(RESPONDERS=1, TLS_CERTIFICATE=server, TLS_CERTIFICATE_KEY=key, API_SERVER_READ_TIMEOUT="60s")
    slow = Streams(service, server, 80, "/webhook/x")
    # nginx reads the streams in order: when the GET is answered, all uploads were accepted or refused.
    assert slow.statuses() == [429] * 16
    # Requests without a body or with a short one are still accepted.
    command = ["curl", "-s", "--http2", "--cacert", server, "-o", "/dev/null", "-w", "%{http_code}"]
    url = "https://127.0.0.1:%d" % service.port
    others = [(b"404", "/"), (b"404", "-d", "x", "/webhook/x"), (b"401", "-X", "POST", "/read/x?wait=60")]
    for status, *arguments, path in others:
        answer = subprocess.run([*command, *arguments, url + path], capture_output=True)
        assert answer.stdout == status, (path, answer)
    slow.socket.close()


@pytest.fixture(scope="session")
def slow_library(tmp_path_factory):
    """Tests/Support/slow.c: making keys, hashing passwords and renaming files wait while a file exists."""
    return compiled("slow", tmp_path_factory.mktemp("slow"))


class Brake:
    """Stops slow work for the duration of a with block; `begun` counts how often it began."""

    def __init__(self, directory, library):
        self.path = os.path.join(str(directory), "brake")
        self.settings = {"LD_PRELOAD": library, "TEST_BRAKE": self.path}

    def __enter__(self):
        open(self.path, "w").close()
        return self

    def __exit__(self, *_):
        os.unlink(self.path)

    def begun(self):
        try:
            return os.path.getsize(self.path + ".begun")
        except FileNotFoundError:
            return 0


def beside(run):
    """Runs a function in a thread; returns a list that will hold its result, and the thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()
    return results, thread


def test_other_requests_are_served_while_a_key_is_made(serve_webhooks, tmp_path, slow_library):
    brake = Brake(tmp_path, slow_library)
    service = serve_webhooks(RESPONDERS=1, WEBHOOKS_SIGNATURE_ALGORITHM="rsa-sha256", **brake.settings)
    endpoint = service.create()
    environment = new_environment()
    with brake:
        keys, thread = beside(lambda: service.key(environment))
        wait_for(brake.begun)
        # The only responder serves them, and writes.
        assert service.hook(endpoint, "x").status == 200
        assert service.call("POST", "/manage/endpoint").status == 201
        assert keys == []
    thread.join()
    assert keys[0]["algorithm"] == "rsa-sha256"
    # Webhooks that are made later use this key.
    service.add(environment, "http://127.0.0.1:9/")
    assert service.key(environment)["key_id"] == keys[0]["key_id"]


def test_other_requests_are_served_while_a_password_is_hashed_and_written(serve_queues, tmp_path, slow_library):
    brake = Brake(tmp_path, slow_library)
    service = serve_queues(configuration(["orders"]), RESPONDERS=1, QUEUE_PASSWORD_HASH="argon2id", **brake.settings)
    with brake:
        changed, thread = beside(
            lambda: service.call("POST", "/setPassword", '{"password": "new secret"}', basic("alice"))
        )
        wait_for(brake.begun)
        assert service.post("orders", "x").status == 200
        assert changed == []
    thread.join()
    assert changed[0].status == 200, changed[0].text
    assert "argon2id" in open(service.config).read()
    # Also while a password is checked.
    hashed = brake.begun()
    with brake:
        listened, thread = beside(lambda: service.call("GET", "/listen/c/orders", headers=basic("alice", "new secret")))
        wait_for(lambda: brake.begun() > hashed)
        assert service.post("orders", "x").status == 200
        assert listened == []
    thread.join()
    assert listened[0].status == 200
    assert service.call("GET", "/read/c", headers=basic("alice")).status == 403


def call_from(service, address, method, path):
    """A request from another address of this machine."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30, source_address=(address, 0)) as s:
        s.sendall(b"%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % (method, path))
        with s.makefile("rb") as stream:
            return int(stream.readline().split()[1])


def test_one_address_cannot_create_all_endpoints(serve):
    service = serve(RESPONDERS=2, MAX_ACTIVE_ENDPOINTS=64)
    c = service.connection()
    created = [service.call("POST", "/manage/endpoint", connection=c).status for _ in range(70)]
    assert created == [201] * 56 + [507] * 14
    for _ in range(3):
        assert call_from(service, "127.0.0.2", b"POST", b"/manage/endpoint") == 201
    service.check()
