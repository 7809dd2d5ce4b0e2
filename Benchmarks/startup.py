"""The time from the start of a responder, and of the whole service, to the first answer."""

import os
import socket
import struct
import subprocess
import time

from load import median
from subjects import POSTROOM, Postroom
from tables import heading, table

DURABILITIES = ("process", "disk")
REPEATS = 20
# The number of starts of the whole service.
STARTS = 5


def record(kind, content):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def fastcgi_request(**parameters):
    pairs = b"".join(
        bytes([len(name), len(value)]) + name.encode() + value.encode() for name, value in parameters.items())
    # The beginning of a request for a responder, on a connection that is closed after it; parameters; an empty body.
    return record(1, struct.pack(">HB5x", 1, 0)) + record(4, pairs) + record(4, b"") + record(5, b"")


def start_responder(settings, path):
    """Seconds from the start of a responder to its first answer, which it gives after a commit."""
    with socket.socket(socket.AF_UNIX) as listener:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(64)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(20)
            caller.connect(str(path))
            caller.sendall(fastcgi_request(REQUEST_METHOD="GET", REQUEST_URI="/healthz", SCRIPT_NAME=""))
            began = time.perf_counter()
            process = subprocess.Popen(
                [str(POSTROOM), "respond"], stdin=listener, stdout=subprocess.DEVNULL, env={**os.environ, **settings})
            try:
                answer = caller.recv(4096)
                took = time.perf_counter() - began
            finally:
                process.terminate()
                process.wait(20)
    if b"Status: 200" not in answer:
        raise RuntimeError(f"the responder answered {answer!r}")
    return took


def run(chosen):
    heading("Start-up")
    rows = []
    for durability in DURABILITIES:
        directory = chosen.work / f"start-{durability}"
        services = []
        for _ in range(STARTS):
            service = Postroom(directory, durability)
            began = time.perf_counter()
            with service:
                services.append(time.perf_counter() - began)
        responders = [start_responder(service.settings, chosen.work / "first.sock") for _ in range(REPEATS)]
        for what, times in (("responder", responders), ("`postroom serve` with nginx", services)):
            rows.append([f"{what}, DURABILITY={durability}", 1e3 * median(times), 1e3 * max(times)])
    table(["from the start to the first answer", "median ms", "max ms"], rows)
