"""The senders: wrk for rates, and plain sockets for timing single answers and for waiting clients."""

import contextlib
import os
import socket
import statistics
import subprocess
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

SCRIPT = Path(__file__).resolve().parent / "wrk/load.lua"
# How long a service is loaded before each measurement.
WARMING_SECONDS = 1
# What load.lua posts.
BODY = b'{"event":"order.paid","id":"' + b"x" * 170 + b'"}'


class LoadError(RuntimeError):
    """An unexpected answer: the measurement is not valid."""


@dataclass
class Load:
    requests: int
    seconds: float
    median_ms: float
    p99_ms: float

    @property
    def rate(self):
        return self.requests / self.seconds


def wrk(url, seconds, connections=32, threads=2, fields=None, **variables):
    """Sends requests over kept connections as fast as they are answered: POST, or the method in METHOD."""
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(SCRIPT)]
    for name, value in (fields or {}).items():
        command += ["-H", f"{name}: {value}"]
    command.append(url)
    done = subprocess.run(
        command, env={**os.environ, **{name: str(value) for name, value in variables.items()}}, capture_output=True,
        text=True, timeout=seconds + 60)
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or len(lines) != 1:
        raise LoadError(f"wrk failed: {(done.stderr or done.stdout).strip()[-300:]}")
    requests, duration, median, p99, refused, broken = map(int, lines[0])
    if refused or broken or not requests:
        raise LoadError(
            f"{url}: {refused} answers were not 2xx and {broken} connections failed, of {requests} requests")
    return Load(requests, duration / 1e6, median / 1e3, p99 / 1e3)


def measured(subject, seconds, url=None, **options):
    """The load, and the CPU time of nginx and of the responders in microseconds per request."""
    url = url or subject.url()
    if WARMING_SECONDS:
        wrk(url, WARMING_SECONDS, **options)
    before = subject.cost()
    load = wrk(url, seconds, **options)
    after = subject.cost()
    return load, [(end - start) * 1e6 / load.requests for start, end in zip(before, after)]


class Client:
    """One kept connection to a service."""

    def __init__(self, base, seconds=75):
        address = urlsplit(base)
        self.socket = socket.create_connection((address.hostname, address.port), seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def close(self):
        self.socket.close()

    def send(self, method, path, body=b"", fields=None):
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        for name, value in (fields or {}).items():
            head += f"{name}: {value}\r\n"
        if body or method == "POST":
            head += f"Content-Length: {len(body)}\r\n"
        self.socket.sendall(head.encode() + b"\r\n" + body)

    def receive(self):
        """The status and body of the next answer, which must have a Content-Length."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        length = int(fields.get(b"content-length", b"0"))
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            raise LoadError("an answer without a length")
        while len(self.rest) < length:
            self._more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(lines[0].split()[1]), body

    def _more(self):
        part = self.socket.recv(65536)
        if not part:
            raise LoadError("the connection was closed before the answer")
        self.rest += part

    def request(self, method, path, body=b"", expected=200, fields=None):
        self.send(method, path, body, fields)
        status, answer = self.receive()
        if status != expected:
            raise LoadError(f"{method} {path}: {status} {answer[:200]!r}")
        return answer


@contextlib.contextmanager
def client(base, **options):
    connection = Client(base, **options)
    try:
        yield connection
    finally:
        connection.close()


def send_all(base, requests, width=64):
    """Sends requests, given as arguments of `Client.send`, over `width` connections. All must be answered with 2xx."""
    rest = iter(requests)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(client(base)) for _ in range(width)]
        while asked := [(connection, request) for connection, request in zip(connections, islice(rest, width))]:
            for connection, request in asked:
                connection.send(*request)
            for connection, request in asked:
                status, answer = connection.receive()
                if status // 100 != 2:
                    raise LoadError(f"{request[0]} {request[1]}: {status} {answer[:200]!r}")


def steady(connection, path, rate, stop, body=b"x" * 200):
    """Sends `rate` requests a second until `stop()`; each latency is counted from when the request was due.

    Returns pairs of due time and latency, in seconds.
    """
    results = []
    due = time.monotonic()
    while not stop():
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        connection.request("POST", path, body)
        results.append((due, time.monotonic() - due))
        due += 1 / rate
    return results


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values):
    return statistics.median(values)
