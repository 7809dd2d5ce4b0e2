"""Shows that a campaign notices deliberate mistakes in how the store makes commits durable: see README.md.

`mistakes.patch` adds them to a copy of the sources. In the program that is built from it, the variable MISTAKE chooses one."""

import argparse
import contextlib
import filecmp
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PATCH = os.path.join(ROOT, "Tests", "Support", "power_cuts", "mistakes.patch")
BUILD = os.path.join(ROOT, ".build-mistakes")


class Mistake:
    """A mistake, and how it is looked for.

    - where: the power cuts that show it: those under "load" or during "starts"
    - nested: whether all are followed by another one during the start
    - weights: faults of a run that it needs, and how often; as Run.weights
    - settings: settings of the service"""

    def __init__(self, name, where="load", nested=False, weights={}, **settings):
        self.name, self.where, self.nested = name, where, nested
        # After a sync that fails, the service recovers without a power cut, which shows some mistakes too.
        self.weights = {"fail_sync": 0, **weights}
        self.settings = {**settings, "MISTAKE": name} if name else settings


MISTAKES = [
    Mistake("no-anchors"),
    Mistake("joiner-does-not-wait", weights={"kill_each": 30}),
    Mistake("recovery-without-anchor", nested=True),
    Mistake("lock-file-closed", weights={"command": 30}),
    Mistake("end-moved-before-commit"),
    Mistake("end-moved-after-commit"),
    Mistake("store-not-synced"),
    # In a small store there are more checkpoints; and answers that wait would soon sync the record too.
    Mistake("record-not-synced", weights={"slow_syncs": 30}, DURABILITY="process", MAX_STORE_BYTES="128m"),
    # The anchors of other processes follow a checkpoint later, which hides it: here there is often only one process.
    Mistake(
        "published-before-record", weights={"slow_syncs": 30, "kill_worker": 60}, RESPONDERS=1, DURABILITY="process", MAX_STORE_BYTES="128m"),
    Mistake("durable-read-after-sync"),
    Mistake("reads-do-not-wait"),
    Mistake("old-salt"),
    Mistake("failed-frame-stays", weights={"fill_disk": 30}),
    Mistake("failed-sync-tried-again", weights={"fail_sync": 30}),
    Mistake("frameless-not-noted", JOURNAL_BYTES="1m"),
    Mistake("frames-overwritten", weights={"stop": 30}, JOURNAL_BYTES="1m"),
    Mistake("link-before-record", "starts"),
    Mistake("no-former-salt", "starts"),
    Mistake("new-store-not-synced", "starts"),
]


# Without a mistake, nothing may fail.
NONE = Mistake(None)


def build():
    """Builds the program with the mistakes; returns its path. What has not changed is not built again."""
    source, fresh = os.path.join(BUILD, "source"), os.path.join(BUILD, "fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(os.path.join(ROOT, "Sources"), os.path.join(fresh, "Sources"))
    # Below the directory of a repository, git would look for the files in that one.
    subprocess.run(["git", "apply", PATCH], cwd=fresh, env={**os.environ, "GIT_CEILING_DIRECTORIES": BUILD}, check=True)
    for name in ("Package.swift", "Package.resolved"):
        if os.path.exists(os.path.join(ROOT, name)):
            shutil.copy(os.path.join(ROOT, name), os.path.join(fresh, name))
    replace(source, fresh)
    for name in ("Tests", "Fuzz", "Benchmarks"):
        with contextlib.suppress(FileExistsError):
            os.symlink(os.path.join(ROOT, name), os.path.join(source, name))
    scratch = os.path.join(BUILD, "build")
    command = ["swift", "build", "-c", "release", "--product", "postroom", "--static-swift-stdlib", "--scratch-path", scratch]
    subprocess.run(command, cwd=source, check=True)
    return os.path.join(scratch, "release", "postroom")


def replace(directory, fresh):
    """Makes a directory like another one. Files that are the same keep their times, so that they are not compiled again."""
    os.makedirs(directory, exist_ok=True)
    names = files(fresh)
    for name in files(directory) - names:
        os.remove(os.path.join(directory, name))
    for name in names:
        old, new = os.path.join(directory, name), os.path.join(fresh, name)
        os.makedirs(os.path.dirname(old), exist_ok=True)
        if not os.path.exists(old) or not filecmp.cmp(old, new, shallow=False):
            os.replace(new, old)
    shutil.rmtree(fresh)


def files(directory):
    return {os.path.relpath(os.path.join(parent, name), directory) for parent, _, names in os.walk(directory) for name in names}


def look(mistake, seed, images, work, show):
    """Looks for a mistake until an image shows it; returns the campaign."""
    from campaign import Campaign

    campaign = Campaign(
        work, seed, settings=mistake.settings, report=show, stops=True,
        waits=mistake.settings.get("DURABILITY") != "process")
    campaign.weights = mistake.weights
    try:
        if mistake.where == "starts":
            campaign.run_starts(images)
        else:
            campaign.run(images, images if mistake.nested else images // 4)
    except AssertionError as error:
        # A service that does not start again after a kill or a failed sync.
        campaign.fail(None, "a run", "", ["in the run: " + (str(error) or repr(error)).strip().splitlines()[-1]])
    finally:
        campaign.close()
    return campaign


def main():
    parser = argparse.ArgumentParser(prog="scripts/campaign --mistakes", description="Shows that a campaign notices mistakes.")
    parser.add_argument("names", nargs="*", metavar="MISTAKE", help="all, if none is named: " + ", ".join(m.name for m in MISTAKES))
    parser.add_argument("--images", type=int, default=300, help="how many power cuts must show a mistake")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--program", help="a program with the mistakes, which is otherwise built")
    parser.add_argument("--verbose", action="store_true", help="show what campaigns report")
    arguments = parser.parse_args()
    os.environ["POSTROOM"] = arguments.program or build()
    wrong = []
    for mistake in [NONE, *(mistake for mistake in MISTAKES if not arguments.names or mistake.name in arguments.names)]:
        started, images = time.monotonic(), arguments.images if mistake.name else min(arguments.images, 40)
        work = tempfile.mkdtemp(prefix="cuts", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        os.chmod(work, 0o755)
        try:
            campaign = look(mistake, arguments.seed, images, work, print if arguments.verbose else lambda text: None)
        finally:
            shutil.rmtree(work)
        name = mistake.name or "none"
        if bool(campaign.failed) == (mistake is NONE):
            wrong.append(name)
        checked, seconds = campaign.images + campaign.starts, time.monotonic() - started
        fault = (campaign.first_fault or "nothing").replace(work, "").splitlines()[0]
        print("%-26s %4d images, %3d s: %s" % (name, checked, seconds, fault), flush=True)
    print("seed %d%s" % (arguments.seed, "; not as it must be: " + ", ".join(wrong) if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
