"""Webhooks per second on a disk whose sync takes 5 ms longer, with 64 senders."""

import shutil

from load import median, wrk
from subjects import Postroom, compile_c
from tables import heading, table

DELAY_MICROSECONDS = 5000


def run(chosen):
    heading("A disk whose sync takes 5 ms longer, 64 senders")
    library = compile_c(chosen.work, "slowsync.c", "-shared", "-fPIC", "-ldl")
    slow = {"LD_PRELOAD": library, "SLOW_SYNC_MICROSECONDS": DELAY_MICROSECONDS}
    cases = [("unchanged", count, {}) for count in (1, 2)] + [("5 ms slower", count, slow) for count in (1, 2)]
    results = {}
    for _ in range(chosen.rounds):
        for disk, responders, variables in cases:
            directory = chosen.work / "sync"
            with Postroom(directory, "disk", RESPONDERS=responders, **variables) as subject:
                url = subject.url()
                wrk(url, 1, connections=64)
                load = wrk(url, chosen.seconds, connections=64)
            results.setdefault((disk, responders), []).append((load.rate, load.median_ms, load.p99_ms))
            shutil.rmtree(directory, ignore_errors=True)
    table(
        ["disk", "responders", "requests/s", "p50 ms", "p99 ms"],
        [[disk, str(responders)] + [median(values) for values in zip(*samples)]
         for (disk, responders), samples in results.items()])
