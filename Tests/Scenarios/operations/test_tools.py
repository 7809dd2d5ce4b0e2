"""The developer's tools: each part of the benchmark, and a fuzzer, is run for a second, to see that it works; coverage is measured
of a small package."""

import os
import re
import shutil
import subprocess

import pytest
from harness import PROGRAM, ROOT

PARTS = (
    "rates", "sustained", "startup", "endpoints", "cleanup", "sync", "connections", "latency", "pages", "queues", "deliveries",
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


COVERED_PACKAGE = {
    "Package.swift": """// swift-tools-version: 6.2
        import PackageDescription
        let package = Package(
            name: "postroom",
            targets: [
                .target(name: "Rules", path: "Sources/Formats/Rules"),
                .executableTarget(name: "postroom", dependencies: ["Rules"], path: "Sources/Program/postroom"),
                .testTarget(name: "RulesTests", dependencies: ["Rules"]),
            ])
        """,
    "Sources/Formats/Rules/Rule.swift": """public func name(of number: Int) -> String {
            if number == 1 {
                return "one"
            }
            if number == 2 {
                return "two"
            }
            return "many"
        }
        """,
    "Sources/Formats/Rules/Unused.swift": """func nothingCallsThis() -> Int {
            3
        }
        """,
    "Sources/Program/postroom/main.swift": """import Glibc
        import Rules
        let found = name(of: 2)
        kill(getpid(), found == "two" ? SIGKILL : SIGTERM)
        """,
    "Tests/RulesTests/RuleTests.swift": """import Rules
        import Testing
        @Test func one() { #expect(name(of: 1) == "one") }
        """,
    "scripts/run-scenarios": """#!/bin/sh
        "$POSTROOM"
        test $? = 137
        """,
}


@pytest.mark.skipif(not shutil.which("swift"), reason="there is no compiler")
def test_coverage_counts_tests_and_killed_programs_together(tmp_path):
    """On a package of a few lines: all tests of Postroom would take half an hour."""
    for name, text in COVERED_PACKAGE.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "scripts" / "run-scenarios").chmod(0o755)
    shutil.copy(os.path.join(ROOT, "scripts", "coverage"), tmp_path / "scripts")

    def coverage(*options):
        command = [str(tmp_path / "scripts" / "coverage"), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        lines = done.stdout.splitlines()
        start = [number for number, line in enumerate(lines) if line.startswith("module ")]
        return done, [line.split() for line in lines[start[0] + 1:]] if start else done.stderr

    # The function has 9 lines, and nothing reaches one of them; nor the 3 lines of the other file.
    modules = [["Formats/Rules", "12", "8", "66.7"], ["Program/postroom", "2", "2", "100.0"], ["total", "14", "10", "71.4"]]
    done, rows = coverage()
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert rows == modules
    done, rows = coverage("--table", "--files")
    assert rows == [
        modules[0], ["Rule.swift", "9", "8", "88.9"], ["Unused.swift", "3", "0", "0.0"], modules[1],
        ["main.swift", "2", "2", "100.0"], modules[2],
    ]
    done, _ = coverage("--lines", str(tmp_path / "Sources" / "Formats" / "Rules" / "Rule.swift"))
    assert re.findall(r"\| +0\| +return (.*)", done.stdout) == ['"many"']
    assert re.findall(r"\| +[1-9]\d*\| +return (.*)", done.stdout) == ['"one"', '"two"']

    # When a part fails, the table has what was reached before that.
    (tmp_path / "scripts" / "run-scenarios").write_text("#!/bin/sh\nexit 1\n")
    done, rows = coverage()
    assert done.returncode == 1 and "failed: scenarios." in done.stderr
    assert rows[0] == ["Formats/Rules", "12", "5", "41.7"]
