"""The time from sending a webhook to the response of a client that waits for it."""

import random
import threading
import time

from load import client, median, percentile, wrk
from subjects import Postroom
from tables import heading, table

DURABILITIES = ("process", "disk")
SAMPLES = 300
# wrk sends as fast as it is answered; this number of senders does not load the machine fully.
BACKGROUND = 2
BACKGROUND_SECONDS = 15


def sample(subject, count):
    """Milliseconds to the response of the sender, and to that of the waiting client."""
    endpoint = subject.create()
    look = f"/manage/endpoint/{endpoint}/notifications"
    sent, seen = [], []
    with client(subject.base) as sender, client(subject.base) as reader:
        for number in range(count):
            reader.send("GET", f"{look}?after={number}&wait=20")
            # Long enough for the client to wait, and random so that it does not follow a rhythm of the responder.
            time.sleep(random.uniform(0.02, 0.04))
            began = time.perf_counter()
            sender.request("POST", f"/webhook/{endpoint}", b"x" * 200)
            answered = time.perf_counter()
            status, body = reader.receive()
            ended = time.perf_counter()
            if status != 200 or b'"id"' not in body:
                raise RuntimeError(f"the waiting client was answered {status} {body[:200]!r}")
            sent.append(1e3 * (answered - began))
            seen.append(1e3 * (ended - began))
            if number % 50 == 49:
                reader.request("DELETE", f"{look}?through={number}", expected=204)
    return sent, seen


def run(chosen):
    heading("From a webhook to the client that waits for it")
    rows = []
    for durability in DURABILITIES:
        for background in (0, BACKGROUND):
            with Postroom(chosen.work / f"latency-{durability}-{background}", durability) as subject:
                sample(subject, 10)
                senders = threading.Thread(target=wrk, args=(subject.url(), BACKGROUND_SECONDS), kwargs={"connections": background})
                if background:
                    senders.start()
                sent, seen = sample(subject, SAMPLES)
                if background:
                    senders.join()
            name = f"DURABILITY={durability}" + (f", {background} more senders at full speed" if background else "")
            rows.append([name, median(sent), percentile(sent, 0.99), median(seen), percentile(seen, 0.99)])
    table(["", "sender's response: p50 ms", "p99 ms", "waiting client's response: p50 ms", "p99 ms"], rows)
