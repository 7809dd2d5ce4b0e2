"""Deliveries: their rate, their latency, and whether a receiver that hangs delays the others.

The sink is an nginx that answers 200 and logs the arrival of each event. Only arrivals are counted, and latency is
measured from the time at which an event was planned to be sent.
"""

import json
import socket
import statistics
import threading
import time

from load import client, percentile
from processes import Program
from subjects import NGINX, Postroom, free_port
from tables import heading, table

ENVIRONMENT = "11111111-2222-4333-8444-555555555555"
JSON = {"Content-Type": "application/json"}
DATA = "x" * 900
SENDERS = 16
DURABILITIES = ("process", "disk")
# The size of a burst, for each second of a measurement.
EVENTS_PER_SECOND = 10_000
RECEIVERS = 100

CONFIGURATION = """
daemon off;
pid "%(directory)s/sink.pid";
worker_processes 1;
events { worker_connections 4096; }
http {
    log_format arrival '$msec $http_webhook_id $uri';
    access_log "%(directory)s/arrivals" arrival;
    keepalive_requests 1000000;
    server { listen 127.0.0.1:%(port)d; location / { return 200; } }
}
"""


class Sink:
    """A receiver that accepts every request, and logs its arrival."""

    def __init__(self, directory):
        self.directory, self.port = directory, free_port()
        self.directory.mkdir()
        self.log = directory / "arrivals"
        path = directory / "sink.conf"
        path.write_text(CONFIGURATION % {"directory": directory, "port": self.port})
        self.program = Program([NGINX, "-p", str(directory), "-c", str(path), "-e", "stderr"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()

    def arrivals(self):
        """The times of arrival, by the event's id and the path."""
        found = {}
        for line in self.log.read_text().splitlines() if self.log.exists() else []:
            time_of_day, event, path = line.split()
            found.setdefault((event, path), []).append(float(time_of_day))
        return found


def subscribe(subject, url):
    body = {"name": "bench", "url": url, "events": ["job-created"]}
    with client(subject.base) as connection:
        path = f"/environments/{ENVIRONMENT}/webhooks"
        connection.request("POST", path, json.dumps(body).encode(), expected=201, fields=JSON)


def publish(connection, event):
    body = json.dumps({"event": "job-created", "event_id": event, "data": DATA}).encode()
    connection.request("POST", f"/environments/{ENVIRONMENT}/events", body, expected=202, fields=JSON)


def wait_for(sink, count, seconds):
    """Waits until `count` requests have arrived, or none has arrived for `seconds`."""
    last, changed = -1, time.monotonic()
    while True:
        arrived = sum(len(times) for times in sink.arrivals().values())
        if arrived >= count:
            return arrived
        if arrived != last:
            last, changed = arrived, time.monotonic()
        if time.monotonic() - changed > seconds:
            return arrived
        time.sleep(0.5)


def publish_burst(subject, count, send=publish):
    """Publishes events as fast as they are acknowledged. Returns their ids, and the seconds that it took."""
    def run(sender):
        with client(subject.base) as connection:
            for number in range(sender, count, SENDERS):
                send(connection, f"burst-{number}")

    threads = [threading.Thread(target=run, args=(sender,)) for sender in range(SENDERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {f"burst-{number}" for number in range(count)}, time.monotonic() - began


def burst(chosen, durability, count):
    directory = chosen.work / f"deliveries-{durability}"
    with Sink(directory.with_suffix(".sink")) as sink:
        with Postroom(directory, durability, DELIVERY_ALLOW_SUBNETS="127.0.0.0/8") as subject:
            subscribe(subject, f"http://127.0.0.1:{sink.port}/hook")
            ids, seconds = publish_burst(subject, count)
            wait_for(sink, count, 10)
        arrivals = sink.arrivals()
    times = sorted(times[0] for times in arrivals.values())
    lost = len(ids - {event for event, _ in arrivals})
    duplicated = sum(len(times) - 1 for times in arrivals.values())
    return count / seconds, len(times) / (times[-1] - times[0]), lost, duplicated


def steady_latencies(chosen, durability, rate, seconds, receivers=1, hanging=0):
    """Latencies in milliseconds of events at a steady rate, to several receivers, some of which hang."""
    directory = chosen.work / f"steady-{durability}-{receivers}-{hanging}"
    with Sink(directory.with_suffix(".sink")) as sink, socket.create_server(("127.0.0.1", 0), backlog=4096) as silent:
        # Calls to receivers that hang would hold up the stop.
        with Postroom(directory, durability, DELIVERY_ALLOW_SUBNETS="127.0.0.0/8", SHUTDOWN_SECONDS=1) as subject:
            for number in range(receivers - hanging):
                subscribe(subject, f"http://127.0.0.1:{sink.port}/hook/{number}")
            for number in range(hanging):
                subscribe(subject, f"http://127.0.0.1:{silent.getsockname()[1]}/{number}")
            planned = {}
            with client(subject.base) as connection:
                began = time.time()
                for number in range(int(rate * seconds)):
                    due = began + number / rate
                    time.sleep(max(0, due - time.time()))
                    planned[f"steady-{number}"] = due
                    publish(connection, f"steady-{number}")
            wait_for(sink, len(planned) * (receivers - hanging), 3)
        arrivals = sink.arrivals()
    return [1000 * (times[0] - planned[event]) for (event, _), times in arrivals.items()]


def run(chosen):
    heading("Deliveries")
    count = EVENTS_PER_SECOND * chosen.seconds
    rows = []
    for durability in DURABILITIES:
        intake, rate, lost, duplicated = burst(chosen, durability, count)
        latencies = steady_latencies(chosen, durability, 200, 2 * chosen.seconds)
        rows.append([
            f"DURABILITY={durability}", intake, rate, str(lost), str(duplicated), statistics.median(latencies),
            percentile(latencies, 0.95), percentile(latencies, 0.99)])
    table(
        [f"{count:,} events of 1 KiB to one receiver", "events/s received", "deliveries/s", "lost", "duplicated",
         "at 200/s: p50 ms", "p95 ms", "p99 ms"], rows)
    rows = []
    for hanging in (0, 1):
        latencies = steady_latencies(chosen, "disk", 5, 4 * chosen.seconds, RECEIVERS, hanging)
        name = f"{RECEIVERS} receivers, {hanging} hangs" if hanging else f"{RECEIVERS} receivers, all answer"
        rows.append([name, statistics.median(latencies), percentile(latencies, 0.95)])
    table(["5 events/s, each to all receivers", "p50 ms", "p95 ms"], rows)
