"""JSONPath queries compared with two PyPI libraries, on the same documents."""

import json
import subprocess
import sys

from load import median
from subjects import ROOT
from tables import heading, number, table

# Each library gets the query in the dialect that it implements.
PEERS = {"python-jsonpath": "2.2.2", "jsonpath2": "0.4.5"}

EVENT = {
    "cloudEventsVersion": "0.1", "eventType": "org.pacifica.metadata.ingest", "eventID": "c2a5e5b6", "source": "/x/y",
    "eventTime": "2026-01-01T00:00:00", "contentType": "application/json", "extensions": {"color": "blue"},
    "data": [{"destinationTable": "Transactions._id", "value": 7}, {"destinationTable": "Files", "size": 40, "name": "a"}],
}
ITEMS = {"items": [
    {"id": index, "name": f"item {index}", "price": index % 50 + 0.5, "tags": ["a", "b", f"t{index % 7}"],
     "maker": {"name": f"maker {index % 13}", "country": "NO"}} for index in range(1000)]}
DOCUMENTS = {"event": EVENT, "1,000 items": ITEMS}

# Document, query of RFC 9535, query of the legacy dialect with the same results.
CASES = [
    ("event", "$.eventType", "$.eventType"),
    ("event", "$.data[?@.destinationTable == 'Files'].size", '$.data[*][?(@["destinationTable"] = "Files")].size'),
    ("event", "$..name", "$..name"),
    ("1,000 items", "$.items[999].maker.name", "$.items[999].maker.name"),
    ("1,000 items", "$.items[*].name", "$.items[*].name"),
    ("1,000 items", "$..name", "$..name"),
    ("1,000 items", "$.items[?@.price < 10 && @.maker.name == 'maker 3'].id",
     '$.items[*][?(@.price < 10 and @.maker.name = "maker 3")].id'),
    ("1,000 items", "$..[?@.name == 'maker 3']", '$..[?(@.name = "maker 3")]'),
    ("1,000 items", "$.items[?match(@.name, 'item [0-9]*7')].id", None),
]


def install(directory):
    """Installs the libraries, and returns their Python."""
    subprocess.run(["/usr/bin/python3", "-m", "venv", str(directory)], check=True)
    python = directory / "bin/python"
    wanted = [f"{name}=={version}" for name, version in PEERS.items()]
    subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted], check=True)
    return str(python)


def measure(command, cases, seconds):
    given = json.dumps({"seconds": seconds, "documents": DOCUMENTS, "cases": cases})
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True, timeout=600)
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]


def show_alone():
    """Prints the times of Postroom alone, briefly measured."""
    cases = [(document, query) for document, query, _ in CASES]
    heading("JSONPath")
    times = measure([str(ROOT / ".build/release/JSONPathBenchmark")], cases, 0)
    table(["µs", "Postroom"], [[query.replace("|", "\\|"), ours[2] / 1000] for (_, query), ours in zip(cases, times)])


def run(chosen):
    subprocess.run(
        ["swift", "build", "-c", "release", "--static-swift-stdlib", "-Xswiftc", "-gline-tables-only", "--product",
         "JSONPathBenchmark"], cwd=ROOT, check=True, stdout=sys.stderr)
    if chosen.smoke:
        return show_alone()
    python = install(chosen.work / "jsonpath-peers")
    peer = str(ROOT / "Benchmarks/jsonpath_peer.py")
    dialects = {
        "python-jsonpath": [(document, query) for document, query, _ in CASES],
        "jsonpath2": [(document, query) for document, _, query in CASES if query],
    }
    heading("JSONPath")
    for library, cases in dialects.items():
        rounds = []
        for _ in range(chosen.rounds):
            ours = measure([str(ROOT / ".build/release/JSONPathBenchmark")], cases, 1)
            theirs = measure([python, peer, library], cases, 1)
            rounds.append(list(zip(ours, theirs)))
        rows = []
        for index, (document, query) in enumerate(cases):
            pairs = [pairs[index] for pairs in rounds]
            if any(our[3] != their[3] for our, their in pairs):
                raise RuntimeError(f"{library} has other results for {query}")

            def middle(column, side):
                return median(pair[side][column] for pair in pairs) / 1000

            rows.append([
                f"{document}: `{query.replace('|', chr(92) + '|')}`", middle(2, 0), middle(2, 1),
                number(median(their[2] / our[2] for our, their in pairs)) + " ×",
                number(median(their[2] / (our[1] + our[2]) for our, their in pairs)) + " ×",
                middle(0, 0), middle(0, 1)])
        table(
            [f"µs, compared with {library} {PEERS[library]}", "Postroom", library, "faster",
             "with the document prepared", "compile", f"{library} compile"], rows)
