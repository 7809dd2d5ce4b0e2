"""Event routing: the rates of received and of delivered events, by the number of subscriptions.

The sink is that of the deliveries, and only arrivals are counted. The subscriptions that match have the same
expression; each of the others has its own.
"""

import json
import os
import shutil
import statistics
import time
from itertools import count

from deliveries import Sink, publish_burst, wait_for
from load import LoadError, client, median, send_all, wrk
from subjects import FORGOTTEN_SECONDS, Postroom, compact
from tables import heading, percent, table

DURABILITIES = ("process", "disk")
MANY = 100_000
# The number of deliveries, for each second of a measurement.
EVENTS_PER_SECOND = 1000
MATCHES = 10
JSON = {"Content-Type": "application/json"}
DATA = "x" * 500
# Events per second of pacifica-notifications 0.5.2, on two cores with one worker.
ORIGINAL = {"in": 40, "out": 7}
LONGEST_WAIT = 120

numbers = count()


def subscription(number, isWanted, sink):
    kind = "wanted" if isWanted else f"kind-{number}"
    body = {
        "name": f"bench-{number}", "jsonpath": f'$[?(@["eventType"] = "{kind}")]',
        "target_url": f"http://127.0.0.1:{sink.port}/{number}",
    }
    return "POST", "/eventmatch", json.dumps(body).encode(), JSON


def prepare(directory, subscriptions, matches, sink):
    """Makes a store with subscriptions, of which the first `matches` match."""
    directory.mkdir(mode=0o711)
    with Postroom(directory, DELIVERY_ALLOW_SUBNETS="127.0.0.0/8") as subject:
        send_all(subject.base, (subscription(number, number < matches, sink) for number in range(subscriptions)))
        if subscriptions == MANY:
            time.sleep(FORGOTTEN_SECONDS)
    compact(directory)


def post(connection, name, kind="wanted"):
    event = {"cloudEventsVersion": "0.1", "eventType": kind, "eventID": name, "source": "/bench", "data": DATA}
    return connection.request("POST", "/receive", json.dumps(event).encode(), fields=JSON).decode()


def copied(chosen, store):
    directory = chosen.work / f"events-{next(numbers)}"
    shutil.copytree(store, directory, ignore=shutil.ignore_patterns("run", "*.mdb-lock"))
    directory.chmod(0o711)
    return directory


def wait_until_matched(subject, event):
    with client(subject.base) as connection:
        deadline = time.monotonic() + LONGEST_WAIT
        while json.loads(connection.request("GET", f"/events/{event}"))["state"] != "matched":
            if time.monotonic() > deadline:
                raise LoadError(f"events were not matched within {LONGEST_WAIT} s")
            time.sleep(0.02)


def intake(chosen, durability, store):
    """The rate of received events that match nothing, the rate at which they are matched, and the first relative to
    the rate of webhooks."""
    directory = copied(chosen, store)
    with Postroom(directory, durability) as subject:
        webhooks = wrk(subject.url(), chosen.seconds)
        with client(subject.base) as connection:
            wait_until_matched(subject, post(connection, "first", "unwanted"))
        began = time.monotonic()
        load = wrk(subject.base + "/receive", chosen.seconds)
        with client(subject.base) as connection:
            wait_until_matched(subject, post(connection, "last", "unwanted"))
        matched = load.requests / (time.monotonic() - began)
    shutil.rmtree(directory, ignore_errors=True)
    return load.rate, matched, load.rate / webhooks.rate, load.median_ms, load.p99_ms


def dispatch(chosen, durability, store, matches, sink, events):
    """Deliveries per second from the first event sent to the last one delivered, how many were lost or duplicated, and
    how long the first one took, for which the worker has to read the subscriptions."""
    directory = copied(chosen, store)
    os.truncate(sink.log, 0)
    with Postroom(directory, durability, DELIVERY_ALLOW_SUBNETS="127.0.0.0/8") as subject:
        began = time.time()
        with client(subject.base) as connection:
            post(connection, "first")
        wait_for(sink, matches, 20)
        first = max(times[0] for times in sink.arrivals().values()) - began
        os.truncate(sink.log, 0)
        began = time.time()
        publish_burst(subject, events, post)
        wait_for(sink, events * matches, 10)
    arrivals = sink.arrivals()
    shutil.rmtree(directory, ignore_errors=True)
    last = max(times[0] for times in arrivals.values())
    duplicated = sum(len(times) - 1 for times in arrivals.values())
    return len(arrivals) / (last - began), events * matches - len(arrivals), duplicated, first


def run(chosen):
    heading(f"Event routing: with up to {MANY:,} subscriptions")
    with Sink(chosen.work / "events.sink") as sink:
        stores = {}
        for subscriptions, matches in [(0, 0), (1, 1), (MATCHES, MATCHES), (1000, MATCHES), (MANY, MATCHES)]:
            stores[subscriptions] = chosen.work / f"events-with-{subscriptions}"
            prepare(stores[subscriptions], subscriptions, matches, sink)
        takes, gives = {}, {}
        for _ in range(chosen.rounds):
            for durability in DURABILITIES:
                for subscriptions in (0, 1, 1000, MANY):
                    result = intake(chosen, durability, stores[subscriptions])
                    takes.setdefault((durability, subscriptions), []).append(result)
                for subscriptions in (1, MATCHES, MANY):
                    matches = min(subscriptions, MATCHES)
                    events = EVENTS_PER_SECOND * chosen.seconds // matches
                    result = dispatch(chosen, durability, stores[subscriptions], matches, sink, events)
                    gives.setdefault((durability, subscriptions), []).append(result)
        for store in stores.values():
            shutil.rmtree(store, ignore_errors=True)
    show(chosen, takes, gives)


def show(chosen, takes, gives):
    def ratio(results, durability, subscriptions, base):
        """The median of the ratios of two rates in the same round."""
        pairs = zip(results[durability, subscriptions], results[durability, base])
        return percent(median([own[0] / other[0] for own, other in pairs]))

    rows = []
    for (durability, subscriptions), samples in takes.items():
        rate, matched, ofWebhook, middle, p99 = map(statistics.median, zip(*samples))
        rows.append([
            f"{subscriptions:,} subscriptions, DURABILITY={durability}", rate, f"{rate / ORIGINAL['in']:,.0f}",
            percent(ofWebhook), ratio(takes, durability, subscriptions, 0), matched, middle, p99])
    table(
        ["32 connections, 200 bytes, no match", "events/s received", "times the original", "relative to webhooks",
         "relative to 0 subscriptions", "matched/s", "p50 ms", "p99 ms"], rows)
    rows = []
    for (durability, subscriptions), samples in gives.items():
        rate, _, _, first = map(statistics.median, zip(*samples))
        lost, duplicated = sum(sample[1] for sample in samples), sum(sample[2] for sample in samples)
        base = MATCHES if subscriptions == MANY else None
        rows.append([
            f"{subscriptions:,} subscriptions, DURABILITY={durability}", str(min(subscriptions, MATCHES)), rate,
            f"{rate / ORIGINAL['out']:,.0f}", ratio(gives, durability, subscriptions, base) if base else "", str(lost),
            str(duplicated), first])
    table(
        ["events of 600 bytes, to an nginx", "matches", "deliveries/s", "times the original",
         f"relative to {MATCHES} subscriptions", "lost", "duplicated", "first event s"], rows)
    print(f"Medians of {chosen.rounds} rounds with measurements of {chosen.seconds} s.\n")
