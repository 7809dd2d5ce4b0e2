"""The developer's tools: each part of the benchmark, and a fuzzer, is run for a second, to see that it works."""

import os
import re
import shutil
import subprocess

import pytest
from harness import PROGRAM, ROOT

PARTS = (
    "rates", "sustained", "startup", "endpoints", "cleanup", "sync", "connections", "latency", "queues", "deliveries",
    "events", "jsonpath",
)


def test_no_part_of_the_benchmark_is_left_out():
    told = subprocess.run([os.path.join(ROOT, "scripts", "bench"), "--help"], capture_output=True, text=True)
    names = re.search("of (.+?); all,", " ".join(told.stdout.split()))[1].split(", ")
    assert tuple(names) == PARTS


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_benchmark_runs_through(part):
    if part == "jsonpath" and not shutil.which("swift"):
        pytest.skip("there is no compiler")
    # nginx's workers have to pass.
    directory = os.environ.get("TMPDIR", "/var/tmp")
    done = subprocess.run(
        [os.path.join(ROOT, "scripts", "bench"), "--smoke", "--directory", directory, part],
        env={**os.environ, "POSTROOM": PROGRAM}, capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 0, (done.stdout, done.stderr[-2000:])
    assert re.search(r"^\(%s: \d+ s\)$" % part, done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^\| .* \d", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.skipif(not shutil.which("swift"), reason="there is no compiler")
def test_a_fuzzer_is_built_and_runs():
    """One that needs a single module: all of them need a second build of everything."""
    done = subprocess.run(
        [os.path.join(ROOT, "scripts", "fuzz"), "1", "JSON"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    assert int(re.search(r"number_of_executed_units: *(\d+)", done.stdout)[1]) > 0, done.stdout
