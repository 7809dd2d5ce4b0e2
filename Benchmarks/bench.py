"""Measures Postroom and what it is compared with, and prints Markdown tables. See docs/performance.md."""

import argparse
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import connections
import deliveries
import endpoints
import events
import expressions
import latency
import load
import pages
import queues
import rates
import startup
import sync
from subjects import POSTROOM

PARTS = {
    "rates": rates.run, "sustained": rates.run_sustained, "startup": startup.run, "endpoints": endpoints.run,
    "cleanup": endpoints.run_cleanup, "sync": sync.run, "connections": connections.run, "latency": latency.run,
    "pages": pages.run,
    "queues": queues.run, "deliveries": deliveries.run, "events": events.run, "jsonpath": expressions.run,
}


# Small numbers and no waiting, for a run that only shows that everything works.
SMOKE = [
    (load, {"WARMING_SECONDS": 0}), (rates, {"SUSTAINED": (1, 1), "DURABILITIES": ("process",)}),
    (startup, {"REPEATS": 2, "STARTS": 1, "DURABILITIES": ("process",)}),
    (endpoints, {"OVERDUE": 1000, "FILLING_SECONDS": 1, "FORGOTTEN_SECONDS": 0, "DURABILITIES": ("process",)}),
    (connections, {"CONNECTED": 50, "WAITING": 20}),
    (latency, {"SAMPLES": 10, "BACKGROUND_SECONDS": 1, "DURABILITIES": ("process",)}),
    (pages, {"PAGES": 5, "CASES": ((5, 50),), "SAMPLES": 2, "SECONDS": 1, "ROWS_OF_ONE_PAGE": 300, "DURABILITIES": ("process",)}),
    (queues, {"QUEUES": 20, "CLIENTS": 100, "FORGOTTEN_SECONDS": 0, "DURABILITIES": ("process",)}),
    (deliveries, {"EVENTS_PER_SECOND": 500, "RECEIVERS": 5, "DURABILITIES": ("process",)}),
    (events, {"MANY": 2000, "FORGOTTEN_SECONDS": 0, "EVENTS_PER_SECOND": 200, "DURABILITIES": ("process",)}),
]


def options():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all, if none is given")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; each measures every subject once (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a measurement (%(default)s)")
    parser.add_argument(
        "--endpoints", type=int, default=1_000_000, help="number of endpoints in the part of that name (%(default)s)")
    parser.add_argument(
        "--smoke", action="store_true",
        help="run each part for a second, with small numbers and without peers, to see that it works")
    parser.add_argument("--directory", default="/var/tmp", help="where the files are during the run (%(default)s)")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if chosen.smoke:
        chosen.rounds = chosen.seconds = 1
        chosen.endpoints = 1000
        for module, values in SMOKE:
            for name, value in values.items():
                if not hasattr(module, name):
                    raise RuntimeError(f"{module.__name__} has no {name}")
                setattr(module, name, value)
    return chosen


def file_system(directory):
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    fitting = [words for words in mounts if os.path.commonpath([words[1], directory]) == words[1]]
    return max(fitting, key=lambda words: len(words[1]))[2] if fitting else "unknown"


def describe(directory):
    model = [line.split(": ", 1)[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    print(
        f"{os.cpu_count()} cores ({model[0] if model else platform.machine()}), Linux {platform.release()}, "
        f"{file_system(directory)}; everything runs on this machine, the senders too; load average "
        f"{os.getloadavg()[0]:.1f} at the start.\n", flush=True)


def main():
    chosen = options()
    if not POSTROOM.exists():
        sys.exit(f"{POSTROOM} does not exist; run \"make build\" first")
    if not shutil.which("wrk"):
        sys.exit("wrk is missing; \"make bench\" installs it")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))
    # Ending this program also ends what it has started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))

    chosen.work = Path(tempfile.mkdtemp(prefix="postroom-bench-", dir=chosen.directory))
    # nginx's workers must be able to enter it.
    chosen.work.chmod(0o711)
    try:
        describe(chosen.directory)
        for name in chosen.parts or PARTS:
            began = time.monotonic()
            PARTS[name](chosen)
            print(f"({name}: {time.monotonic() - began:.0f} s)\n", flush=True)
    finally:
        shutil.rmtree(chosen.work, ignore_errors=True)


if __name__ == "__main__":
    main()
