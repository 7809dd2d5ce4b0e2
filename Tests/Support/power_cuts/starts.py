"""Starts and ends of the program, recorded from an empty DATA_DIR on. There are few calls, so that most cuts are within a start or
a stop."""

import json
import os
import random
import shutil
import time

from harness import alive, wait_for
from history import History, body
from queue_service import basic
from reopening import Boot, Machine
from service import QUEUES, Control, Killer, configure, make_service
from traffic import messages, notifications

LOGIN = basic("alice")


class Starts:
    """A recording as `Run` makes one, of several starts, by a command, a responder or the service."""

    def __init__(self, campaign, directory, name):
        self.run_name, self.campaign, self.directory = name, campaign, directory
        self.random = random.Random("%s %s starts" % (campaign.seed, name))
        self.data = os.path.join(directory, "var")
        self.log, self.base = os.path.join(directory, "records"), os.path.join(directory, "base")
        self.control, self.killer = Control(self.log), Killer(campaign.library)
        self.settings = {**campaign.settings, "POWER_CUT_DATA": self.data, "POWER_CUT_LOG": self.log}
        self.history, self.endpoints, self.times = History(), [], []
        # Those that are known to exist.
        self.queues = []
        # When the machine was started again, after it had been stopped in order: by then, all is on the disk.
        self.reboots = []
        self.steps = []
        self.numbers = 0
        os.makedirs(self.data)
        if self.random.random() < 0.8:
            configure(self.data)

    def time_at(self, cut):
        """The time since when no message has been lost, as clients knew it; None before they did."""
        return next((time for end, time in reversed(self.times) if end <= cut), None)

    def all_times(self):
        return {time for _, time in self.times}

    def record(self):
        shutil.copytree(self.data, self.base)
        self.inodes = {name: os.stat(os.path.join(self.data, name)).st_ino for name in os.listdir(self.data)}
        boot = Boot(self.campaign.library, self.campaign.work)
        for _ in range(self.random.randint(2, 4)):
            self.control.delay(self.random.choice([0, 0, 2000]))
            step = self.random.choice(["command", "responder", "responder", "service", "service", "service"])
            is_killed = self.random.random() < 0.3
            self.steps.append(step + (", killed" if is_killed and step != "command" else ""))
            getattr(self, step)(boot, is_killed)
            if self.random.random() < 0.3:
                self.steps.append("reboot")
                self.reboots.append(time.monotonic_ns())
                boot = Boot(self.campaign.library, self.campaign.work)
        self.first_cut, self.last_cut = 0, time.monotonic_ns()

    # MARK: Starts

    def command(self, boot, _):
        self.machine(boot).run("store", self.random.choice(["migrate", "export", "check"]) if self.endpoints else "migrate")

    def responder(self, boot, is_killed):
        with self.machine(boot).responder() as call:
            self.use(lambda *arguments: as_pair(call(*arguments, **{name.lower(): value for name, value in LOGIN.items()})))
            if is_killed:
                self.killer.kill(call.process.pid, self.log)
                call.process.wait()

    def service(self, boot, is_killed):
        service = make_service(self.directory, boot, self.settings)
        service.start()
        try:
            self.use(lambda *arguments: as_pair(service.call(*arguments, headers=LOGIN)))
        finally:
            if is_killed:
                self.killer.kill_service(service, self.log)
            else:
                pids = {service.process.pid, *service.children()}
                assert service.stop() == 0, service.log()[-2000:]
                wait_for(lambda: not any(alive(pid) for pid in pids))

    def machine(self, boot):
        return Machine(self.data, boot, self.settings)

    # MARK: Calls

    def use(self, call):
        """Calls the program now and then, and notes what it answers."""
        status, text = call("GET", "/time")
        assert status == 200, (status, text)
        self.times.append((time.monotonic_ns(), text))
        if not self.endpoints or self.random.random() < 0.3:
            note = self.call(call, self.history.begin("create", None), "POST", "/manage/endpoint", read=lambda text: json.loads(text)["endpointId"])
            self.endpoints.append(note.result)
        for _ in range(self.random.randint(0, 8)):
            self.random.choice([self.hook, self.hook, self.hook, self.look, self.publish, self.publish, self.read])(call)

    def call(self, call, note, method, path, content=b"", read=lambda text: None):
        status, text = call(method, path, content)
        note.answered(status, read(text) if 200 <= status < 300 else None)
        return note

    def new_name(self):
        self.numbers += 1
        return "%s-%d" % (self.run_name, self.numbers)

    def hook(self, call):
        endpoint, name = self.random.choice(self.endpoints), self.new_name()
        self.call(call, self.history.begin("hook", endpoint, name), "POST", "/webhook/" + endpoint, body(name).encode())

    def look(self, call):
        endpoint = self.random.choice(self.endpoints)
        note = self.history.begin("look", endpoint)
        found = self.call(call, note, "GET", "/manage/endpoint/%s/notifications" % endpoint, read=notifications).result
        if found and self.random.random() < 0.5:
            through = self.random.choice(found)[0]
            note = self.history.begin("remove", endpoint, through)
            self.call(call, note, "DELETE", "/manage/endpoint/%s/notifications?through=%d" % (endpoint, through))

    def publish(self, call):
        if not self.queues:
            # A message to a queue that does not exist is acknowledged too.
            return self.read(call)
        queue, name = self.random.choice(self.queues), self.new_name()
        self.call(call, self.history.begin("publish", queue, name), "POST", "/q/" + queue, body(name).encode())

    def read(self, call):
        """Reads a queue with a new client, which gets what comes later only."""
        queue, client = self.random.choice(QUEUES), "client-" + self.new_name()
        if call("POST", "/listen/%s/%s" % (client, queue))[0] != 200:
            return
        self.queues = QUEUES
        self.publish(call)
        self.call(call, self.history.begin("read", queue, client), "POST", "/read/%s?ack=manual" % client, read=messages)


def as_pair(answer):
    return answer.status, answer.body
