"""The service under load that a campaign records, with its faults."""

import collections
import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import struct
import threading
import time

import traffic
from event_service import EventService, on
from harness import alive, postroom, wait_for
from history import History
from queue_service import basic, configuration, plain_user, roomy
from reopening import Boot
from webhook_service import new_environment

QUEUES = ["orders", "alarms"]
# Readers of queues: what they are, and of which queue.
READERS = {
    "manual0": (traffic.ManualReaders, "orders"),
    "manual1": (traffic.ManualReaders, "alarms"),
    "taking0": (traffic.AutomaticReaders, "orders"),
}
SETTINGS = {
    "RESPONDERS": 2,
    "DURABILITY": "disk",
    "MAX_ENDPOINT_NOTIFICATIONS": 1000000,
    "MAX_ENDPOINT_BYTES": "4g",
    "MAX_STORE_BYTES": "4g",
    "EVENTS_RETRY_SCHEDULE": "1s,1s,1s,5s",
    "LOG_LEVEL": "warning",
}


class Setup:
    """What a store has before the first run: endpoints, queues, clients, a webhook and a subscription."""

    def __init__(self, service, target):
        self.endpoints = [service.create() for _ in range(6)]
        self.environment = new_environment()
        self.webhook = service.add(self.environment, target.url("/webhook"), retry_policy=["1s"] * 20)["webhook_id"]
        self.subscription = service.subscribe("alice", target.url("/event"), on("text"))["uuid"]
        for client, (_, queue) in READERS.items():
            answer = service.call("POST", "/listen/%s/%s" % (client, queue), headers=basic("alice"))
            assert answer.status == 200, answer.text


def make_service(directory, boot, settings):
    return EventService(directory, **{**boot.settings, **settings})


def configure(data):
    config = configuration([roomy(name, max_message_size=1000000) for name in QUEUES], users=())
    config["users"] = [plain_user("alice", QUEUES)]
    with open(os.path.join(data, "options.conf"), "w") as file:
        json.dump(config, file)


class Control:
    """Faults of the disk: see struct control in Tests/Support/power_cut/record.h."""

    def __init__(self, log):
        os.makedirs(log)
        self.path = os.path.join(log, "control")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))

    def set(self, offset, value):
        file = os.open(self.path, os.O_WRONLY)
        os.pwrite(file, struct.pack("=I", value), offset)
        os.close(file)

    def delay(self, microseconds):
        self.set(0, microseconds)

    def fill(self, odds):
        self.set(4, odds)

    def fail_sync(self, number):
        self.set(8, number)


class Killer:
    """Kills processes, but not between a write and its record."""

    def __init__(self, library):
        self.library = ctypes.CDLL(library)

    def kill(self, pid, log):
        self.library.power_cut_use(log.encode())
        self.library.power_cut_kill(pid)

    def kill_service(self, service, log):
        """Kills all processes of a service."""
        pids = {service.process.pid, *service.children()}
        # Stopped first: those that are left would replace the others, or end in order.
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        pids |= set(service.children())
        for pid in pids:
            self.kill(pid, log)
        service.process.wait()
        wait_for(lambda: not any(alive(pid) for pid in pids))


class Run:
    """A service on a store, recorded under load. `run_name` begins the names of all that it sends."""

    def __init__(self, campaign, state, run_name):
        self.run_name, self.seed = run_name, campaign.seed
        self.weights = {**self.weights, **campaign.weights}
        self.random = self.random_of("faults")
        directory, setup = state.directory, state.setup
        self.directory, self.data, self.reboots = directory, os.path.join(directory, "var"), []
        self.endpoints, self.queues = setup.endpoints, QUEUES
        self.environment, self.webhook = setup.environment, setup.webhook
        self.clients = {name: queue for name, (_, queue) in READERS.items()}
        self.log, self.base = os.path.join(directory, "records"), os.path.join(directory, "base")
        self.control = Control(self.log)
        recording = {"POWER_CUT_DATA": os.path.join(directory, "var"), "POWER_CUT_LOG": self.log}
        boot = Boot(campaign.library, campaign.work)
        self.service = make_service(directory, boot, {**campaign.settings, **recording})
        self.history = History(state.content, state.shown)
        campaign.target.history = self.history
        self.refusals, self.faults = collections.Counter(), collections.Counter()
        self.stopping = threading.Event()
        self.killer = Killer(campaign.library)

    def time_at(self, _):
        """Since when no message has been lost, as clients knew it."""
        return self.time

    def all_times(self):
        return {self.time}

    def random_of(self, name):
        return random.Random("%s %s %s" % (self.seed, self.run_name, name))

    def copy_base(self):
        """Keeps a copy of the files before the run; returns their inodes."""
        inodes = {}
        data = self.service.directory
        shutil.rmtree(os.path.join(data, "run"), ignore_errors=True)
        shutil.copytree(data, self.base)
        for parent, _, names in os.walk(data):
            for name in names:
                path = os.path.join(parent, name)
                if not name.endswith(("lock", "store.shared")):
                    inodes[os.path.relpath(path, data)] = os.stat(path).st_ino
        return inodes

    def record(self, seconds):
        """Serves for some seconds, with faults, and then kills everything."""
        try:
            self.serve(seconds)
        finally:
            self.stopping.set()
            if self.service.process and self.service.process.poll() is None:
                self.service.kill_all()

    def serve(self, seconds):
        self.inodes = self.copy_base()
        self.service.start()
        answer = self.service.call("GET", "/time")
        assert answer.status == 200, answer.text
        self.time = answer.body
        self.first_cut = time.monotonic_ns()
        clients = self.make_clients()
        for client in clients:
            client.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(self.random.uniform(0.1, 0.5))
            name = self.random.choices(list(self.weights), self.weights.values())[0]
            self.faults[name] += 1
            getattr(self, name)()
            if self.service.process.poll() is not None:
                self.faults["ended"] += 1
                self.start_again()
        self.last_cut = time.monotonic_ns()
        self.stopping.set()
        self.killer.kill_service(self.service, self.log)
        for client in clients:
            client.join(30)
            assert not client.is_alive(), client.name
        # As the processes left it.
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(os.path.join(self.service.directory, "store.mdb-lock"), os.path.join(self.base, "store.mdb-lock"))

    def make_clients(self):
        halves = self.endpoints[::2], self.endpoints[1::2]
        clients = [traffic.Hooks(self, "hook%d" % i) for i in range(self.random.choice([1, 3, 6]))]
        clients += [traffic.Collectors(self, "collect%d" % i, half) for i, half in enumerate(halves)]
        clients += [traffic.Viewers(self, "view%d" % i) for i in range(3)]
        clients += [traffic.Publishers(self, "publish%d" % i) for i in range(2)]
        clients += [reader(self, name) for name, (reader, _) in READERS.items()]
        clients += [kind(self, kind.__name__) for kind in (traffic.Creators, traffic.WebhookEvents, traffic.RoutedEvents, traffic.LogReaders)]
        return clients

    # MARK: Faults

    weights = {
        "slow_syncs": 12,
        "fast_syncs": 8,
        "kill_responder": 6,
        "kill_worker": 4,
        "kill_each": 3,
        "pause": 4,
        "stop": 1,
        "restart": 2,
        "end": 2,
        "reload": 2,
        "command": 3,
        "read_slowly": 2,
        "fill_disk": 2,
        "fail_sync": 1,
        "nothing": 8,
    }

    def nothing(self):
        pass

    def slow_syncs(self):
        self.control.delay(self.random.choice([500, 2000, 5000, 20000]))

    def fast_syncs(self):
        self.control.delay(0)

    def fill_disk(self):
        """Some writes of the store find the disk full."""
        self.history.full_since = min(self.history.full_since, time.monotonic_ns())
        self.control.fill(self.random.choice([3, 30, 300]))
        time.sleep(self.random.uniform(0, 0.5))
        self.control.fill(0)

    def fail_sync(self):
        self.control.fail_sync(self.random.randint(1, 20))

    def kill_one(self, pids):
        if pids:
            self.killer.kill(self.random.choice(pids), self.log)

    def kill_responder(self):
        self.kill_one(self.service.responders())

    def kill_worker(self):
        self.kill_one(self.service.workers())

    def kill_each(self):
        """Kills the processes one after the other, so that none is left that others have joined."""
        for pid in self.service.responders() + self.service.workers():
            self.killer.kill(pid, self.log)
            time.sleep(self.random.uniform(0.05, 0.3))

    def pause(self, seconds=0.6):
        pids = self.service.responders() + self.service.workers()
        if not pids:
            return
        pid = self.random.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self.random.uniform(0, seconds))
            os.kill(pid, signal.SIGCONT)

    def stop(self):
        """Pauses a process for so long that the supervisor may kill it."""
        self.pause(4)

    def reload(self):
        self.service.process.send_signal(signal.SIGHUP)

    def end(self):
        """Ends the service in order, and starts it again."""
        self.service.process.send_signal(signal.SIGTERM)
        self.service.process.wait(60)
        wait_for(lambda: not any(alive(pid) for pid in self.service.children()))
        self.start_again()

    def restart(self):
        self.killer.kill_service(self.service, self.log)
        self.start_again()

    def start_again(self):
        try:
            self.service.start()
        except AssertionError:
            # A sync that fails ends a start.
            if not self.faults["fail_sync"]:
                raise
            self.service.start()

    def command(self):
        """A process that opens the store for a moment."""
        arguments = self.random.choice([["queues", "load"], ["queues", "list"], ["store", "check"], ["store", "export"]])
        done = postroom(self.service.directory, *arguments, **self.service.settings)
        # After a sync that failed, the store is recovered only once all processes have ended.
        assert done.returncode == 0 or self.faults["fail_sync"], (arguments, done.stdout[-500:], done.stderr[-500:])

    def read_slowly(self):
        """Clients that request much and read it later."""
        sockets = []
        for endpoint in self.endpoints:
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sockets.append(s)
            with contextlib.suppress(OSError):
                s.connect((self.service.host, self.service.port))
                s.sendall(b"GET /manage/endpoint/%s/notifications HTTP/1.1\r\nHost: localhost\r\n\r\n" % endpoint.encode())
        time.sleep(self.random.uniform(0, 1))
        for s in sockets:
            s.close()


def prepare(directory, boot, target, settings):
    """Makes a store with all that the traffic needs; returns what was made."""
    service = make_service(directory, boot, settings)
    os.makedirs(service.directory)
    configure(service.directory)
    service.start()
    try:
        return Setup(service, target)
    finally:
        service.stop()
