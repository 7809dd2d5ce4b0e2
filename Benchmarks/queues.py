"""Queues: posting compared with webhooks, reading compared with the C responder, and many queues compared with one."""

import base64
import hashlib
import hmac
import json
import shutil
import threading
import time
from dataclasses import dataclass, field
from itertools import count

from load import BODY, client, measured, median, send_all, wrk
from subjects import FORGOTTEN_SECONDS, CResponder, Postroom, compact, compile_c
from tables import heading, percent, table

DURABILITIES = ("process", "disk")
QUEUES = 10_000
CLIENTS = 100_000
# The number of messages that a queue keeps by default.
KEPT = 100

KEY = "the sender's key"
SIGNATURE = hmac.new(KEY.encode(), BODY, "sha256").hexdigest()
USER, PASSWORD, SALT = "reader", "correct horse", "f00d"
HASH = hashlib.sha512((PASSWORD + SALT).encode()).hexdigest()
LOGIN = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}

numbers = count()


@dataclass
class Case:
    name: str
    # Empty for the webhook of an endpoint.
    path: str = ""
    method: str = "POST"
    fields: dict = field(default_factory=dict)
    isSigned: bool = False
    # The number of messages that wait for the client.
    messages: int = 0
    # The number of clients that send webhooks at the same time.
    senders: int = 0


def reading(name, options="", **more):
    return Case(name, f"/read/client-0{options}", "GET", LOGIN, **more)


WEBHOOK = Case("webhook to an endpoint")
RESPONDER = reading("C responder, with the request of the next line")
CASES = [
    WEBHOOK,
    Case("POST /q", "/q/queue-0"),
    Case("POST /q, hmac-sha256", "/q/queue-0", fields={"X-Signature": SIGNATURE}, isSigned=True),
    RESPONDER,
    reading("GET /read, nothing new"),
    reading("GET /read, nothing new, while 8 send webhooks", senders=8),
    reading(f"GET /read?ack=manual, {KEPT} messages", "?ack=manual", messages=KEPT),
]


def configure(directory, queues, signed=False):
    """Writes a configuration with queues; `signed` is whether messages to the first need a signature."""
    names = [f"queue-{number}" for number in range(queues)]
    settings = [{"name": name} for name in names]
    if signed:
        settings[0]["auth"] = {"method": "hmac-sha256", "key": KEY, "header_name": "X-Signature"}
    user = {"name": USER, "pass_hash": f"sha512;{SALT};{HASH}", "queues": names}
    text = json.dumps({"listen_host": "127.0.0.1", "listen_port": 8080, "users": [user], "queues": settings})
    (directory / "options.conf").write_text(text)


def prepare(directory, queues, clients):
    """Makes a store with queues, and with clients that listen to them."""
    directory.mkdir(mode=0o711)
    configure(directory, queues)
    with Postroom(directory, "process") as subject:
        paths = (f"/listen/client-{number}/queue-{number % queues}" for number in range(clients))
        send_all(subject.base, (("GET", path, b"", LOGIN) for path in paths))
        if clients > 1:
            time.sleep(FORGOTTEN_SECONDS)
    compact(directory)


def sample(chosen, case, subject):
    url = subject.base + case.path if case.path else subject.url()
    variables = {} if case.method == "POST" else {"METHOD": case.method}
    others = threading.Thread(
        target=wrk, args=(subject.url(), chosen.seconds + 2), kwargs={"connections": max(2, case.senders)})
    if case.senders:
        others.start()
    load, (_, responders) = measured(subject, chosen.seconds, url=url, fields=case.fields, **variables)
    if case.senders:
        others.join()
        responders = None
    return load.rate, load.median_ms, load.p99_ms, responders


def serve(chosen, case, durability, store, queues):
    """Measures a new service with a copy of the store."""
    directory = chosen.work / f"queues-{next(numbers)}"
    shutil.copytree(store, directory, ignore=shutil.ignore_patterns("run", "*.mdb-lock"))
    directory.chmod(0o711)
    configure(directory, queues, case.isSigned)
    with Postroom(directory, durability) as subject:
        if case.messages:
            with client(subject.base) as sender:
                for _ in range(case.messages):
                    sender.request("POST", "/q/queue-0", BODY)
        result = sample(chosen, case, subject)
    shutil.rmtree(directory, ignore_errors=True)
    return result


def run(chosen):
    heading(f"Queues: 1 with 1 client, and {QUEUES:,} with {CLIENTS:,} clients")
    stores = {1: chosen.work / "one-queue", QUEUES: chosen.work / "many-queues"}
    prepare(stores[1], 1, 1)
    prepare(stores[QUEUES], QUEUES, CLIENTS)
    program = compile_c(chosen.work, "responder.c", "-lfcgi", "-lpthread")
    results = {}
    for _ in range(chosen.rounds):
        for durability in DURABILITIES:
            for case in CASES:
                if case is RESPONDER:
                    directory = chosen.work / f"queues-{next(numbers)}"
                    with CResponder(directory, program) as subject:
                        results.setdefault((durability, case.name, 1), []).append(sample(chosen, case, subject))
                    shutil.rmtree(directory, ignore_errors=True)
                    continue
                for queues, store in stores.items():
                    result = serve(chosen, case, durability, store, queues)
                    results.setdefault((durability, case.name, queues), []).append(result)
    rows = []
    for durability in DURABILITIES:
        for case in CASES:
            for queues in stores if case is not RESPONDER else [1]:
                rows.append(row(results, durability, case, queues))
    table(
        ["32 connections, 200 bytes", "queues", "requests/s", "relative to webhook", "relative to C",
         "relative to 1 queue", "p50 ms", "p99 ms", "responders µs/request"], rows)
    print(
        f"Medians of {chosen.rounds} rounds with measurements of {chosen.seconds} s. A queue keeps {KEPT} messages: "
        "each post except the first ones makes one roll off.\n")
    for store in stores.values():
        shutil.rmtree(store, ignore_errors=True)


def row(results, durability, case, queues):
    samples = results[durability, case.name, queues]

    def ratio(base, count):
        """The median of the ratios of two rates in the same round."""
        others = results[durability, base.name, count]
        return percent(median([own[0] / other[0] for own, other in zip(samples, others)]))

    rate, middle, p99 = [median(values) for values in list(zip(*samples))[:3]]
    responders = median([one[3] for one in samples]) if not case.senders else None
    if case is RESPONDER:
        return [case.name, "", rate, "", "", "", middle, p99, responders]
    return [
        f"{case.name}, DURABILITY={durability}", f"{queues:,}", rate,
        ratio(WEBHOOK, queues) if case.method == "POST" and case is not WEBHOOK else "",
        ratio(RESPONDER, 1) if case.method == "GET" else "", ratio(case, 1) if queues != 1 else "", middle, p99,
        responders]
