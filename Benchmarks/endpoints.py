"""Many endpoints: how much they slow down the use of one, and how they are removed when they expire."""

import re
import shutil
import threading
import time

from load import client, measured, median, percentile, steady, wrk
from subjects import FORGOTTEN_SECONDS, Postroom, call, compact
from tables import heading, percent, table

DURABILITIES = ("process", "disk")
OVERDUE = 100_000
# How long endpoints are created before their number is checked.
FILLING_SECONDS = 5
RATE = 200


def total(subject):
    """The number of endpoints in the store, from the status page."""
    return int(re.search(rb"ENDPOINTS \((\d+) total\)", call("GET", subject.base + "/manage"))[1])


def fill(subject, count, ids=None):
    """Creates endpoints until there are `count` of them, and writes their ids to the file `ids`."""
    parts = [ids.with_name(f"part{index}") for index in (1, 2)] if ids else []
    for _ in range(120):
        if total(subject) >= count:
            break
        wrk(subject.base + "/manage/endpoint", FILLING_SECONDS, **({"RECORD": ids.with_name("part")} if ids else {}))
    else:
        raise RuntimeError(f"{count} endpoints took too long to create")
    if ids:
        with ids.open("wb") as together:
            for part in parts:
                together.write(part.read_bytes())
                part.unlink()
        if ids.stat().st_size % 33:
            raise RuntimeError("the list of endpoints is damaged")


def run(chosen):
    heading(f"{chosen.endpoints:,} endpoints compared with one")
    many, ids = chosen.work / "many", chosen.work / "ids"
    began = time.monotonic()
    with Postroom(many, "process") as subject:
        fill(subject, chosen.endpoints, ids)
        count, seconds = total(subject), time.monotonic() - began
        # The requests that created them are forgotten, so that no measurement pays for that.
        time.sleep(FORGOTTEN_SECONDS)
    compact(many)
    store = (many / "store.mdb").stat()
    print(
        f"{count:,} endpoints created through the API in {seconds:.0f} s; the file has "
        f"{store.st_blocks * 512 / 1e6:,.0f} MB.\n", flush=True)

    def one(durability, case):
        directory = chosen.work / "measured"
        if case.startswith("many"):
            shutil.copytree(many, directory, ignore=shutil.ignore_patterns("run"))
        with Postroom(directory, durability) as subject:
            if case.endswith("create"):
                options = {"url": subject.base + "/manage/endpoint", "RECORD": "/dev/null"}
            else:
                # The load generator does the same work for one endpoint as for many.
                only = chosen.work / "only"
                only.write_text(subject.create() + "\n")
                target = ids if case.endswith("any") else only
                options = {"url": subject.base + "/", "IDS": target, "PREFIX": "/webhook/"}
            load, (_, responders) = measured(subject, chosen.seconds, **options)
            sample = (load.rate, load.median_ms, load.p99_ms, responders, subject.memory() / 1e6)
        shutil.rmtree(directory, ignore_errors=True)
        return sample

    cases = {"one: post to it": "one: post to it", "many: post to one": "one: post to it",
             "many: post to any": "one: post to it",
             "one: create": "one: create", "many: create": "one: create"}
    rows = []
    for durability in DURABILITIES:
        results = {case: [] for case in cases}
        for _ in range(chosen.rounds):
            for case in cases:
                results[case].append(one(durability, case))
        for case, base in cases.items():
            rate, middle, p99, responders, memory = map(median, zip(*results[case]))
            ratio = median([own[0] / other[0] for own, other in zip(results[case], results[base])])
            rows.append([
                f"{case}, DURABILITY={durability}", rate, percent(ratio), middle, p99, responders, memory])
    table(
        ["endpoints in the store: request", "requests/s", "relative to one", "p50 ms", "p99 ms",
         "responders µs/request", "responder MB"], rows)
    shutil.rmtree(many, ignore_errors=True)


def run_cleanup(chosen):
    """A steady sender while many endpoints expire at once."""
    heading(f"{OVERDUE:,} endpoints expire at once")
    rows = []
    for durability in DURABILITIES:
        directory = chosen.work / f"cleanup-{durability}"
        with Postroom(directory, "process") as subject:
            fill(subject, OVERDUE)
        # All of them are overdue when the service has started again; the sender's own endpoint is not.
        time.sleep(2)
        with Postroom(directory, durability, MAX_IDLE_DURATION_SECONDS=2, CLEANUP_FREQUENCY_SECONDS=4) as subject:
            path = f"/webhook/{subject.create()}"
            before = total(subject)
            times = {"began": None, "ended": None}

            def watch(stop):
                while times["ended"] is None and time.monotonic() < stop:
                    left = total(subject)
                    if left < before and times["began"] is None:
                        times["began"] = time.monotonic() - 0.1
                    if left <= 1:
                        times["ended"] = time.monotonic()
                    time.sleep(0.1)

            watcher = threading.Thread(target=watch, args=(time.monotonic() + 120,))
            watcher.start()
            with client(subject.base) as connection:
                sent = steady(connection, path, RATE, lambda: not watcher.is_alive())
            watcher.join()
            if times["ended"] is None:
                raise RuntimeError("the endpoints were not removed within two minutes")
        quiet = [1e3 * latency for due, latency in sent if due < times["began"]]
        busy = [1e3 * latency for due, latency in sent if due >= times["began"]]
        # If the endpoints are few, they may be removed between two requests.
        quiet, busy = quiet or busy, busy or quiet
        rows.append([
            f"DURABILITY={durability}", times["ended"] - times["began"], percentile(quiet, 0.99), max(quiet),
            median(busy), percentile(busy, 0.99), max(busy)])
        shutil.rmtree(directory, ignore_errors=True)
    table(
        [f"a sender of {RATE} requests/s", "cleanup s", "before: p99 ms", "max ms", "during: p50 ms", "p99 ms",
         "max ms"], rows)
