"""A campaign of power cuts: see README.md."""

import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import time

from expectations import Expectations
from cut_image import Image, State
from images import Disk
from recording import Recording
from reopening import Boot, Machine, compile_library
from service import SETTINGS, Run, prepare
from starts import Starts
from traffic import Target


class Campaign:
    def __init__(
        self, work, seed, kept=None, seconds=8.0, ignored=(), settings=None, forgotten=(), waits=True, report=print,
        stops=False,
    ):
        self.work, self.seed, self.random, self.seconds, self.report = work, seed, random.Random(seed), seconds, report
        # Where images that fail are kept.
        self.kept = kept
        self.settings = {**SETTINGS, **(settings or {})}
        # Whether answers must have waited for the disk.
        self.waits = waits
        # With answers that do not wait: how long before a power cut something was acknowledged that is missing, in ns.
        self.oldest_loss = 0
        # Files whose syncs are taken as never made, to show that they are needed.
        self.forgotten = forgotten
        # Kinds of faults that are known.
        self.ignored = collections.Counter({kind: 0 for kind in ignored})
        self.library = compile_library(work)
        self.target = Target(random.Random("target %d" % seed))
        self.images = self.cuts = self.starts = self.runs = self.failed = 0
        self.kinds = collections.Counter()
        self.times = collections.Counter()
        self.boot = Boot(self.library, work)
        # Whether the first image that fails is enough; how it has failed.
        self.stops, self.first_fault = stops, None
        # How often a run has which fault, where that differs from Run.weights.
        self.weights = {}
        # How many images are made of one run.
        self.sizes = [20, 40, 60]

    def run(self, images, cuts, chain=0.5):
        """Checks so many images, and so many more of cuts during a recovery."""
        state = None
        while (self.images < images or self.cuts < cuts) and not self.is_over:
            wanted = min(max(images - self.images, cuts - self.cuts), self.random.choice(self.sizes))
            nested = min(max(cuts - self.cuts, 0), wanted)
            state = self.one_run(state, wanted, nested)
            if self.random.random() >= chain and state:
                shutil.rmtree(state.directory)
                state = None
        if state:
            shutil.rmtree(state.directory)

    def one_run(self, state, images, nested):
        """Records a run and checks its images; returns one of them, as a start for the next run."""
        self.runs += 1
        name = "r%d" % self.runs
        if state is None:
            directory = tempfile.mkdtemp(prefix="run", dir=self.work)
            os.chmod(directory, 0o755)
            setup = prepare(directory, self.boot, self.target, self.settings)
            content = Machine(os.path.join(directory, "var"), self.boot, self.settings).content()
            state = State(directory, setup, content, {})
        run = Run(self, state, name)
        expectations, recording, disk = self.record(run, run.record, self.seconds)
        self.report("%s: %d calls, %d refused, %s; %d changes of files" % (
            name, len(run.history.calls), sum(run.refusals.values()), dict(run.faults), sum(len(f.changes) for f in recording.files)))
        cuts = sorted(self.cut(run, expectations, recording) for _ in range(images))
        chosen, follower = self.random.randrange(images), None
        for number, cut in enumerate(cuts):
            image = Image(self, run, expectations, disk, cut, "%s.%d" % (name, number))
            good = image.check(nested=number >= images - nested)
            self.images += 1
            if good and number >= chosen and follower is None:
                follower = image.follower(state)
            image.remove()
            if self.is_over:
                break
        disk.remove()
        shutil.rmtree(state.directory)
        return follower

    def run_starts(self, images):
        """Checks so many images of cuts during starts and stops; for every third, the start after it is cut off too."""
        while self.starts < images and not self.is_over:
            self.runs += 1
            directory = tempfile.mkdtemp(prefix="starts", dir=self.work)
            os.chmod(directory, 0o755)
            run = Starts(self, directory, "s%d" % self.runs)
            expectations, recording, disk = self.record(run, run.record)
            self.report("%s: %s" % (run.run_name, "; ".join(run.steps)))
            wanted = min(images - self.starts, 15)
            for number, cut in enumerate(sorted(recording.moment(self.random) + self.random.choice([0, 1]) for _ in range(wanted))):
                image = Image(self, run, expectations, disk, cut, "%s.%d" % (run.run_name, number))
                image.check(nested=number % 3 == 0)
                self.starts += 1
                image.remove()
                if self.is_over:
                    break
            shutil.rmtree(directory)

    def record(self, run, function, *arguments):
        """Records a run; returns what it has established, and what became durable when."""
        started = time.monotonic()
        function(*arguments)
        self.times["load"] += time.monotonic() - started
        expectations = Expectations(run.history, self.waits, run.reboots)
        for fault in expectations.faults[:5]:
            self.fail(None, run.run_name, "", [fault])
        recording = Recording(run.log, run.base, run.inodes, self.forgotten, run.reboots)
        recording.verify(run.data)
        return expectations, recording, Disk(recording, run.base, os.path.join(run.directory, "disk"))

    def cut(self, run, expectations, recording):
        """A time for a power cut: any; or soon after a sync, in which case a file that is rarely synced has as many as another; or
        just after an answer: any answer, one that was the first to show something, or one that found the disk full."""
        way = self.random.random()
        if way < 0.3:
            return self.random.randint(run.first_cut, run.last_cut)
        syncs = [[end for _, end in file.syncs if run.first_cut < end < run.last_cut] for file in recording.files]
        syncs = [ends for ends in syncs if ends]
        if way < 0.5 and syncs:
            return self.random.choice(self.random.choice(syncs)) + self.random.randint(1, 50_000_000)
        calls = run.history.calls
        kinds = [[call.end for call in calls if call.is_done], expectations.first_views(), [call.end for call in calls if call.status == 507]]
        answers = self.random.choices(kinds, [6, 6, 4])[0] or kinds[0]
        answers = [end for end in answers if run.first_cut < end < run.last_cut]
        return self.random.choice(answers) + self.random.choice([1, self.random.randint(1, 2_000_000)])

    @property
    def is_over(self):
        return self.stops and self.failed > 0

    def ignores(self, fault):
        kind = fault.partition(":")[0]
        if kind not in self.ignored:
            return False
        self.ignored[kind] += 1
        return True

    def fail(self, image, name, description, faults):
        for fault in faults:
            self.kinds[fault.partition(":")[0]] += 1
        self.failed += 1
        self.first_fault = self.first_fault or faults[0]
        text = "".join("  %s\n" % fault for fault in faults[:5])
        self.report("FAILED %s (seed %d; %s)\n%s" % (name, self.seed, description, text))
        if image and self.kept and self.failed <= 5:
            kept = os.path.join(self.kept, "seed-%d-%s" % (self.seed, name))
            os.makedirs(self.kept, exist_ok=True)
            shutil.copytree(image, kept, dirs_exist_ok=True)
            with open(os.path.join(kept, "explanation"), "w") as file:
                file.write("%s\n%s" % (description, "".join("%s\n" % fault for fault in faults)))

    def summary(self):
        return "%d images of %d runs, %d of starts, %d cuts during recovery, %d failed%s%s%s; seed %d; %s" % (
            self.images, self.runs, self.starts, self.cuts, self.failed, " " + str(dict(self.kinds)) if self.kinds else "",
            ", ignored " + str(dict(self.ignored)) if self.ignored else "",
            "" if self.waits else ", up to %.1f s lost" % (self.oldest_loss / 1e9), self.seed,
            ", ".join("%s %.0f s" % entry for entry in self.times.items()))

    def close(self):
        self.target.close()


def main():
    parser = argparse.ArgumentParser(description="Cuts the power of a service under load, again and again, and checks what is left.")
    parser.add_argument("--images", type=int, default=200, help="how many power cuts under load")
    parser.add_argument("--cuts", type=int, default=40, help="of how many the first start is cut off too")
    parser.add_argument("--starts", type=int, default=60, help="how many power cuts during starts and stops, from the first start on")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each run under load takes")
    parser.add_argument("--work", default="/dev/shm" if os.path.isdir("/dev/shm") else None, help="where the stores are")
    parser.add_argument("--kept", default="power-cuts", help="where images that fail are kept")
    parser.add_argument("--ignore", action="append", default=[], metavar="KIND", help="a kind of fault that is known")
    parser.add_argument("--process", action="store_true", help="answers do not wait for the disk: DURABILITY=process")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service")
    parser.add_argument(
        "--forget", action="append", default=[], metavar="FILE", help="take the syncs of a file as never made: the campaign must fail")
    arguments = parser.parse_args()
    work = tempfile.mkdtemp(prefix="cuts", dir=arguments.work)
    os.chmod(work, 0o755)
    settings = {"DURABILITY": "process"} if arguments.process else {}
    settings.update(pair.split("=", 1) for pair in arguments.set)
    campaign = Campaign(
        work, arguments.seed, os.path.abspath(arguments.kept), arguments.seconds, arguments.ignore, settings,
        arguments.forget, waits=not arguments.process)
    try:
        campaign.run(arguments.images, arguments.cuts)
        campaign.run_starts(arguments.starts)
    finally:
        campaign.close()
        shutil.rmtree(work)
        print(campaign.summary())
    return 1 if campaign.failed else 0


if __name__ == "__main__":
    sys.exit(main())
