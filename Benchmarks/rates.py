"""Requests per second at 32 connections, for Postroom and what it is compared with."""

import shutil
from itertools import count

from load import measured, median, wrk
from subjects import CResponder, NginxAlone, Peer, Postroom, compile_c
from tables import heading, number, percent, table

DURABILITIES = ("process", "disk")
# The number of consecutive loads, and the seconds of each.
SUSTAINED = (8, 15)

numbers = count()


def directory(chosen, name):
    """A new directory for one subject in one round."""
    return chosen.work / f"{name}-{next(numbers)}"


def subjects(chosen):
    """Functions that make each subject, with a new directory for every round."""
    responder = compile_c(chosen.work, "responder.c", "-lfcgi", "-lpthread")
    makers = [
        lambda: NginxAlone(directory(chosen, "nginx")),
        lambda: CResponder(directory(chosen, "c"), responder),
        lambda: Postroom(directory(chosen, "process"), "process"),
        lambda: Postroom(directory(chosen, "disk"), "disk"),
    ]
    python, reason = (None, "left out") if chosen.smoke else Peer.install(chosen.work / "peer")
    if python:
        makers.append(lambda: Peer(python))
    return makers, reason


def run(chosen):
    heading("Webhooks per second")
    makers, missing = subjects(chosen)
    results = {}
    for _ in range(chosen.rounds):
        for index, make in enumerate(makers):
            subject = make()
            with subject:
                load, (nginx, responders) = measured(subject, chosen.seconds)
                sample = (load.rate, load.median_ms, load.p99_ms, nginx, responders, subject.memory() / 1e6)
            results.setdefault(index, (subject.name, []))[1].append(sample)
            if hasattr(subject, "directory"):
                shutil.rmtree(subject.directory, ignore_errors=True)

    medians = {index: [median(values) for values in zip(*samples)] for index, (_, samples) in results.items()}

    def ratio(index, base):
        """The median of the ratios of two rates in the same round."""
        pairs = zip(results[index][1], results[base][1])
        return percent(median([own[0] / other[0] for own, other in pairs]))

    rows = []
    for index, (name, samples) in results.items():
        rate, middle, p99, nginx, responders, memory = medians[index]
        spread = f"{number(min(sample[0] for sample in samples))}–{number(max(sample[0] for sample in samples))}"
        rows.append([
            name, rate, spread, ratio(index, 0), ratio(index, 1), middle, p99, nginx or "", responders or "", memory or ""])
    if missing:
        rows.append([Peer.name, f"not installed: {missing}"] + [""] * 8)
    table(
        ["32 connections, 200 bytes", "requests/s", "min–max", "relative to nginx", "relative to C", "p50 ms", "p99 ms",
         "nginx µs/request", "responders µs/request", "responder MB"], rows)
    print(
        f"Medians of {chosen.rounds} rounds with measurements of {chosen.seconds} s; µs are CPU time; MB are private "
        "memory of one responder without the mapped store. The peer keeps everything in memory and is called without "
        "nginx.\n")


def run_sustained(chosen):
    """Requests are remembered for two minutes: the record of requests grows until the end."""
    heading("Two minutes at full load")
    rows = []
    times, seconds = SUSTAINED
    for durability in DURABILITIES:
        with Postroom(directory(chosen, "sustained"), durability) as subject:
            url = subject.url()
            loads = [wrk(url, seconds) for _ in range(times)]
            rows.append([subject.name] + [load.rate for load in loads])
        shutil.rmtree(subject.directory, ignore_errors=True)
    table(["requests/s"] + [f"to {seconds * (index + 1)} s" for index in range(times)], rows)
