"""An image of a power cut: what the program makes of it."""

import os
import shutil
import tempfile
import time

from images import Disk
from recording import Recording
from reopening import ENDPOINT_LENGTH, Boot, Fault, Machine
from service import Control, make_service


class State:
    """A store from which a run begins."""

    def __init__(self, directory, setup, content, shown):
        self.directory, self.setup, self.content = directory, setup, content
        # As that of a History.
        self.shown = shown


class Image:
    """What a power cut at one time may have left."""

    def __init__(self, campaign, run, expectations, disk, cut, name):
        self.campaign, self.run, self.expectations = campaign, run, expectations
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
                name: os.stat(os.path.join(self.data, name)).st_ino for name in os.listdir(self.data) if not name.endswith(("lock", "store.shared"))
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
            faults += self.judge_time(self.machine.read_time(call))
            again = self.machine.content()
            # A service has gone on with deliveries.
            if way != "service" and again.essence() != self.content.essence():
                faults.append("second start: it changes the content")
            shown = self.expectations.shown(self.cut)
            sources = [source for source in shown if source in again.messages or source in self.run.endpoints]
            others = [source for source in shown if len(source) == ENDPOINT_LENGTH and source not in sources]
            sources += self.random.sample(others, min(2, len(others)))
            self.machine.use(call, {source: shown[source] for source in sources}, "%s-after" % self.name)
            if again.lines and again.next_line <= shown["log"]:
                faults.append("reused: the log goes on at %d, and %d was shown" % (again.next_line, shown["log"]))
        self.machine.check()
        return faults

    def judge_time(self, found):
        """`time` of the queues API must change if messages may have been lost, and only then."""
        before = self.run.time_at(self.cut)
        if self.campaign.waits:
            return [] if before in (None, found) else ["time: it has changed, as if messages had been lost"]
        self.campaign.oldest_loss = max(self.campaign.oldest_loss, self.expectations.oldest_loss(self.content, self.cut))
        # A run with a loss of its own has several.
        if before != found or len(self.run.all_times()) > 1:
            return []
        return ["time: it has not changed, but " + fault for fault in self.expectations.compare_queues(self.content, self.cut, self.cut)]

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
        cut = self.random.choice([self.random.randint(recording.start, recording.end), recording.moment(self.random)]) + 1
        shutil.rmtree(self.data)
        self.description += "; then, during the start: " + disk.image(cut, self.data, self.random)
        shutil.rmtree(self.original)
        shutil.copytree(self.data, self.original)
        self.boot = Boot(self.campaign.library, self.campaign.work)
        self.machine = Machine(self.data, self.boot, self.campaign.settings)
        return self.judge()

    def follower(self, state):
        """This image after its check, as the start of another run."""
        machine = self.machine
        if not self.campaign.waits:
            # That run begins with another start of the machine, which takes back the last calls.
            machine = Machine(self.data, Boot(self.campaign.library, self.campaign.work), self.campaign.settings)
            machine.recover()
        content = machine.content()
        directory = tempfile.mkdtemp(prefix="run", dir=self.campaign.work)
        os.chmod(directory, 0o755)
        shutil.move(self.data, os.path.join(directory, "var"))
        return State(directory, state.setup, content, self.expectations.shown(self.cut))

    def remove(self):
        shutil.rmtree(self.directory)
