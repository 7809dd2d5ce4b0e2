"""How much idle and waiting clients slow down those that send."""

import contextlib
import shutil

from load import Client, median, wrk
from subjects import Postroom
from tables import heading, percent, table

CONNECTED = 2000
WAITING = 1000


@contextlib.contextmanager
def clients(subject, connected, waiting):
    """Opens idle connections that were used once, and clients that each wait at their own endpoint."""
    opened = []
    try:
        for _ in range(connected):
            opened.append(Client(subject.base))
            opened[-1].request("GET", "/healthz")
        if waiting:
            with contextlib.closing(Client(subject.base)) as creator:
                for _ in range(waiting):
                    endpoint = creator.request("POST", "/manage/endpoint", expected=201).split(b'"')[3].decode()
                    opened.append(Client(subject.base))
                    opened[-1].send("GET", f"/manage/endpoint/{endpoint}/notifications?after=0&wait=60")
        yield
        for client in opened[connected:]:
            client.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                raise RuntimeError(f"a client that should wait was answered {client.socket.recv(200)!r}")
    finally:
        for client in opened:
            client.close()


def run(chosen):
    heading(f"{CONNECTED:,} connected and {WAITING:,} waiting clients")
    cases = {
        "none": (0, 0), f"{CONNECTED:,} connected": (CONNECTED, 0),
        f"{CONNECTED:,} connected, {WAITING:,} waiting": (CONNECTED, WAITING),
    }
    results = {name: [] for name in cases}
    for _ in range(chosen.rounds):
        for name, counts in cases.items():
            directory = chosen.work / "connections"
            with Postroom(directory, "process") as subject, clients(subject, *counts):
                url = subject.url()
                wrk(url, 1)
                load = wrk(url, chosen.seconds)
                results[name].append((load.rate, load.median_ms, load.p99_ms, subject.memory() / 1e6))
            shutil.rmtree(directory, ignore_errors=True)
    base = next(iter(results.values()))
    rows = []
    for name, samples in results.items():
        rate, middle, p99, memory = map(median, zip(*samples))
        ratio = median([own[0] / other[0] for own, other in zip(samples, base)])
        rows.append([name, rate, percent(ratio), middle, p99, memory])
    table(["clients beside 32 senders", "requests/s", "relative to none", "p50 ms", "p99 ms", "responder MB"], rows)
