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
from history import NEVER
from images import Disk
from recording import Recording
from reopening import ENDPOINT_LENGTH, Boot, Fault, Machine, compile_library
from service import QUEUES, SETTINGS, Control, Run, make_service, prepare
from traffic import Target


class Campaign:
    def __init__(self, work, seed, kept=None, seconds=8.0, ignored=(), settings=None, forgotten=(), report=print):
        self.work, self.seed, self.random, self.seconds, self.report = work, seed, random.Random(seed), seconds, report
        # Where images that fail are kept.
        self.kept = kept
        self.settings = {**SETTINGS, **(settings or {})}
        # Files whose syncs are taken as never made, to show that they are needed.
        self.forgotten = forgotten
        # Kinds of faults that are known.
        self.ignored = collections.Counter({kind: 0 for kind in ignored})
        self.library = compile_library(work)
        self.target = Target(random.Random("target %d" % seed))
        self.images = self.cuts = self.runs = self.failed = 0
        self.kinds = collections.Counter()
        self.times = collections.Counter()
        self.boot = Boot(self.library, work)
        # How many images are made of one run.
        self.sizes = [20, 40, 60]

    def run(self, images, cuts, chain=0.5):
        """Checks so many images, and so many more of cuts during a recovery."""
        state = None
        while self.images < images or self.cuts < cuts:
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
            state = State(directory, setup, content, {}, NEVER)
        started = time.monotonic()
        run = Run(self, state, name)
        run.record(self.seconds)
        self.times["load"] += time.monotonic() - started
        expectations = Expectations(run.history)
        for fault in expectations.faults[:5]:
            self.fail(None, name, "", [fault])
        recording = Recording(run.log, run.base, run.inodes, self.forgotten)
        recording.verify(run.service.directory)
        disk = Disk(recording, run.base, os.path.join(state.directory, "disk"))
        self.report("%s: %d calls, %d refused, %s; %d changes of files" % (
            name, len(run.history.calls), sum(run.refusals.values()), dict(run.faults), sum(len(f.changes) for f in recording.files)))
        cuts = sorted(self.cut(run, expectations) for _ in range(images))
        chosen, follower = self.random.randrange(images), None
        for number, cut in enumerate(cuts):
            image = Image(self, run, state, expectations, disk, cut, "%s.%d" % (name, number))
            good = image.check(nested=number >= images - nested)
            self.images += 1
            if good and number >= chosen and follower is None:
                follower = image.follower()
            image.remove()
        disk.remove()
        shutil.rmtree(state.directory)
        return follower

    def cut(self, run, expectations):
        """A time for a power cut: any, just after an answer, or just after an answer that was the first to show something."""
        if self.random.random() < 0.4:
            return self.random.randint(run.first_cut, run.last_cut)
        answers = [call.end for call in run.history.calls if call.is_done]
        if self.random.random() < 0.5:
            answers = expectations.first_views() or answers
        answers = [end for end in answers if run.first_cut < end < run.last_cut]
        return self.random.choice(answers) + self.random.choice([1, self.random.randint(1, 2_000_000)])

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
        text = "".join("  %s\n" % fault for fault in faults[:5])
        self.report("FAILED %s (seed %d; %s)\n%s" % (name, self.seed, description, text))
        if image and self.kept and self.failed <= 5:
            kept = os.path.join(self.kept, "seed-%d-%s" % (self.seed, name))
            os.makedirs(self.kept, exist_ok=True)
            shutil.copytree(image, kept, dirs_exist_ok=True)
            with open(os.path.join(kept, "explanation"), "w") as file:
                file.write("%s\n%s" % (description, "".join("%s\n" % fault for fault in faults)))

    def summary(self):
        return "%d images of %d runs, %d cuts during recovery, %d failed%s%s; seed %d; %s" % (
            self.images, self.runs, self.cuts, self.failed, " " + str(dict(self.kinds)) if self.kinds else "",
            ", ignored " + str(dict(self.ignored)) if self.ignored else "", self.seed,
            ", ".join("%s %.0f s" % entry for entry in self.times.items()))

    def close(self):
        self.target.close()


class State:
    """A store from which a run begins."""

    def __init__(self, directory, setup, content, shown, full_since):
        self.directory, self.setup, self.content = directory, setup, content
        # As those of a History.
        self.shown, self.full_since = shown, full_since


class Image:
    """What a power cut at one time may have left."""

    def __init__(self, campaign, run, state, expectations, disk, cut, name):
        self.campaign, self.run, self.state, self.expectations = campaign, run, state, expectations
        self.random, self.disk, self.cut, self.name = campaign.random, disk, cut, name
        self.directory = tempfile.mkdtemp(prefix="image", dir=campaign.work)
        os.chmod(self.directory, 0o755)
        self.data = os.path.join(self.directory, "var")
        self.original = os.path.join(self.directory, "original")
        self.boot = Boot(campaign.library, campaign.work)
        self.machine = Machine(self.data, self.boot, campaign.settings)
        self.content = None

    def check(self, nested):
        """Whether the program finds all that it must. With `nested`, also after another cut during the start."""
        started = time.monotonic()
        self.description = self.disk.image(self.cut, self.original, self.random)
        self.campaign.times["images"] += time.monotonic() - started
        shutil.copytree(self.original, self.data)
        started = time.monotonic()
        good = self.attempt(self.judge, nested)
        self.campaign.times["checks"] += time.monotonic() - started
        if good and nested:
            self.campaign.cuts += 1
            started = time.monotonic()
            good = self.attempt(self.cut_again)
            self.campaign.times["cuts"] += time.monotonic() - started
        return good

    def attempt(self, check, *arguments):
        try:
            faults = check(*arguments)
        except Fault as fault:
            faults = [str(fault)]
        faults = [fault for fault in faults if not self.campaign.ignores(fault)]
        if faults:
            self.campaign.fail(self.original, self.name, "cut at %+.3f s; %s" % (
                (self.cut - self.run.first_cut) / 1e9, self.description), faults)
        return not faults

    def judge(self, record=False):
        """The faults of a store that is started on the image."""
        log = None
        if record:
            log = self.log = os.path.join(self.directory, "records")
            Control(log)
            self.inodes = {
                name: os.stat(os.path.join(self.data, name)).st_ino for name in os.listdir(self.data) if not name.endswith("lock")
            }
        way = self.random.choice(["command", "responder", "service" if self.random.random() < 0.3 else "command"])
        if way == "command":
            self.machine.recover(log)
        elif way == "responder":
            with self.machine.responder(log) as call:
                self.machine.read_time(call)
        else:
            self.serve(log)
        self.machine.check()
        self.content = self.machine.content()
        faults = list(self.expectations.compare(self.content, self.cut))
        if not all(map(self.campaign.ignores, faults)):
            return faults
        with self.machine.responder() as call:
            if self.machine.read_time(call) != self.run.time:
                faults.append("time: it has changed, as if messages had been lost")
            again = self.machine.content()
            # A service has gone on with deliveries.
            if way != "service" and again.essence() != self.content.essence():
                faults.append("second start: it changes the content")
            shown = self.expectations.shown(self.cut)
            sources = [source for source in shown if source in QUEUES or source in self.run.endpoints]
            others = [source for source in shown if len(source) == ENDPOINT_LENGTH and source not in sources]
            sources += self.random.sample(others, min(2, len(others)))
            self.machine.use(call, {source: shown[source] for source in sources}, "%s-after" % self.name)
            if again.lines and again.next_line <= shown["log"]:
                faults.append("reused: the log goes on at %d, and %d was shown" % (again.next_line, shown["log"]))
        self.machine.check()
        return faults

    def serve(self, log):
        """Starts the whole service, and ends it at once."""
        recording = {"POWER_CUT_DATA": self.data, "POWER_CUT_LOG": log} if log else {}
        service = make_service(self.directory, self.boot, {**self.campaign.settings, **recording})
        try:
            service.start()
        except AssertionError as error:
            raise Fault("start: the service does not start: %s" % error) from error
        finally:
            if service.process.poll() is None:
                self.run.killer.kill_service(service, log or self.directory)

    def cut_again(self):
        """The faults of a store whose first start after the power cut was cut off by another one."""
        recording = Recording(self.log, self.original, self.inodes, self.campaign.forgotten)
        if recording.end == 0:
            return []
        disk = Disk(recording, self.original, os.path.join(self.directory, "disk"))
        cut = self.random.randint(recording.start, recording.end + 1)
        shutil.rmtree(self.data)
        self.description += "; then, during the start: " + disk.image(cut, self.data, self.random)
        shutil.rmtree(self.original)
        shutil.copytree(self.data, self.original)
        self.boot = Boot(self.campaign.library, self.campaign.work)
        self.machine = Machine(self.data, self.boot, self.campaign.settings)
        return self.judge()

    def follower(self):
        """This image after its check, as the start of another run."""
        content = self.machine.content()
        directory = tempfile.mkdtemp(prefix="run", dir=self.campaign.work)
        os.chmod(directory, 0o755)
        shutil.move(self.data, os.path.join(directory, "var"))
        return State(
            directory, self.state.setup, content, self.expectations.shown(self.cut), self.run.history.full_since)

    def remove(self):
        shutil.rmtree(self.directory)


def main():
    parser = argparse.ArgumentParser(description="Cuts the power of a service under load, again and again, and checks what is left.")
    parser.add_argument("--images", type=int, default=200, help="how many power cuts under load")
    parser.add_argument("--cuts", type=int, default=40, help="of how many the first start is cut off too")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each run under load takes")
    parser.add_argument("--work", default="/dev/shm" if os.path.isdir("/dev/shm") else None, help="where the stores are")
    parser.add_argument("--kept", default="power-cuts", help="where images that fail are kept")
    parser.add_argument("--ignore", action="append", default=[], metavar="KIND", help="a kind of fault that is known")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service")
    parser.add_argument(
        "--forget", action="append", default=[], metavar="FILE", help="take the syncs of a file as never made: the campaign must fail")
    arguments = parser.parse_args()
    work = tempfile.mkdtemp(prefix="cuts", dir=arguments.work)
    os.chmod(work, 0o755)
    campaign = Campaign(
        work, arguments.seed, os.path.abspath(arguments.kept), arguments.seconds, arguments.ignore,
        dict(pair.split("=", 1) for pair in arguments.set), arguments.forget)
    try:
        campaign.run(arguments.images, arguments.cuts)
    finally:
        campaign.close()
        shutil.rmtree(work)
        print(campaign.summary())
    return 1 if campaign.failed else 0


if __name__ == "__main__":
    sys.exit(main())
