"""Clients, readers and faults for test_chaos.py."""

import collections
import contextlib
import json
import os
import random
import signal
import socket
import threading
import time

import lmdb
from harness import Threads, alive, wait_for
from queue_service import basic

SECONDS = float(os.environ.get("CHAOS_SECONDS", "25"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 1 << 31)


class Clients(Threads):
    """Threads that call a service again and again, each on its own connection.

    `step` makes one call and returns its status. A status that a fault explains is counted in `refusals`; another one
    is a failure."""

    # 507: the disk is full. 503: a commit failed on it.
    expected = {503, 507}

    def __init__(self, service, count):
        self.service = service
        self.acknowledged = [[] for _ in range(count)]
        # Sent and not answered: such a message may be stored once.
        self.unanswered = set()
        self.refused = set()
        self.failures = []
        self.refusals = collections.Counter()
        super().__init__(range(count))

    def run(self, index):
        connection, number = self.service.connection(60), 0
        while not self.stopping.is_set():
            name = "%d-%d" % (index, number)
            number += 1
            try:
                status = self.step(index, name, connection)
            except Exception as error:  # noqa: BLE001
                self.unanswered.add(name)
                self.refusals[type(error).__name__] += 1
                connection.close()
                connection = self.service.connection(60)
                time.sleep(0.1)
                continue
            if status == 200:
                self.acknowledged[index].append(name)
                time.sleep(0.005)
            elif status in self.expected:
                self.refused.add(name)
                self.refusals[status] += 1
                time.sleep(0.05)
            else:
                self.failures.append((name, status))
        connection.close()

    def sent(self):
        return {name for names in self.acknowledged for name in names}

    def check(self, found, what):
        """Compares what was acknowledged with how often each message was found."""
        assert self.failures == [], (what, self.failures[:5])
        lost = self.sent() - set(found)
        assert not lost, (what, "lost", len(lost), sorted(lost)[:5])
        doubled = {name: times for name, times in found.items() if times > 1}
        assert not doubled, (what, "doubled", len(doubled), sorted(doubled)[:5])
        refused = self.refused & set(found)
        assert not refused, (what, "refused and yet stored", len(refused), sorted(refused)[:5])
        assert len(self.sent()) > 4 * SECONDS, (what, len(self.sent()), dict(self.refusals))


class Hooks(Clients):
    def __init__(self, service, endpoints, count):
        self.endpoints = endpoints
        super().__init__(service, count)

    def step(self, index, name, connection):
        endpoint = self.endpoints[int(name.split("-")[1]) % len(self.endpoints)]
        return self.service.hook(endpoint, name + " " * 300, connection=connection).status


class Messages(Clients):
    def step(self, index, name, connection):
        return self.service.call("POST", "/q/orders", name, connection=connection).status


class WebhookEvents(Clients):
    def __init__(self, service, environment, count):
        self.environment = environment
        super().__init__(service, count)

    def step(self, index, name, connection):
        body = json.dumps({"event": "pipeline-created", "data": {"text": name}})
        path = "/environments/%s/events" % self.environment
        status = self.service.call("POST", path, body, {"Content-Type": "application/json"}, connection).status
        time.sleep(0.02)
        return 200 if status == 202 else status


class RoutedEvents(Clients):
    def __init__(self, service, key, count):
        self.key = key
        super().__init__(service, count)

    def step(self, index, name, connection):
        body = json.dumps(
            {
                "cloudEventsVersion": "0.1",
                "eventType": "org.example.test",
                "eventID": name,
                "source": "/test",
                "extensions": {},
                "data": {self.key: name},
            }
        )
        status = self.service.call("POST", "/receive", body, {"Content-Type": "application/json"}, connection).status
        time.sleep(0.02)
        return status


class Readers(Threads):
    """Threads that read messages and then acknowledge them, one for each source."""

    def __init__(self, service, sources):
        self.service = service
        # By number: a message that was not acknowledged comes again.
        self.found = {source: {} for source in sources}
        self.failures = []
        super().__init__(sources)

    def run(self, source):
        while not self.stopping.is_set():
            with contextlib.suppress(OSError, ValueError, AttributeError):
                self.read(source)
            self.stopping.wait(0.05)

    def keep(self, source, number, text):
        known = self.found[source].setdefault(number, text)
        if known != text:
            self.failures.append((source, number, known, text))

    def counted(self):
        return collections.Counter(text for found in self.found.values() for text in found.values())


class Collectors(Readers):
    def read(self, endpoint, query=""):
        answer = self.service.look(endpoint, "?limit=500" + query, timeout=60)
        if answer.status != 200:
            return None
        notifications = answer.json()["notifications"]
        for notification in notifications:
            self.keep(endpoint, notification["id"], notification["body"].strip())
        if notifications:
            through = notifications[-1]["id"]
            self.service.call("DELETE", "/manage/endpoint/%s/notifications?through=%d" % (endpoint, through), timeout=60)
        return len(notifications)


class QueueClients(Readers):
    def read(self, client):
        headers = basic("alice")
        answer = self.service.call("POST", "/read/%s?ack=manual&limit=500" % client, headers=headers, timeout=60)
        if answer.status != 200:
            if answer.status == 410:
                self.failures.append((client, answer.text))
            return None
        messages = answer.json()["messages"]
        for message in messages:
            self.keep(client, message["id"], message["message"])
        if messages:
            self.service.call("POST", "/ack/%s/%d" % (client, messages[-1]["id"]), headers=headers, timeout=60)
        return len(messages)


class Faults:
    """Makes one fault after the other, until the time is over."""

    def __init__(self, service, disk, endpoint):
        self.service, self.disk, self.endpoint = service, disk, endpoint
        self.random = random.Random(SEED)
        self.counts = collections.Counter()
        self.worker_kills = 0
        self.filled, self.full = service.create(), 0
        self.victim = None
        # Every campaign begins with each of these, in random order.
        self.first = ["kill_responder", "kill_worker", "stop_responder", "reload", "fill_disk", "read_slowly", "damage"]

    def run(self, seconds):
        deadline = time.monotonic() + seconds
        self.random.shuffle(self.first)
        while self.first or time.monotonic() < deadline:
            name = self.first.pop() if self.first else self.random.choices(*zip(*self.weights))[0]
            getattr(self, name)()
            self.counts[name] += 1
            time.sleep(self.random.uniform(0.2, 1.0))

    weights = [
        ("kill_responder", 10),
        ("kill_worker", 4),
        ("kill_nginx_worker", 1),
        ("kill_everything", 1),
        ("stop_responder", 2),
        ("stop_worker", 1),
        ("pause_responder", 3),
        ("reload", 3),
        ("fill_disk", 2),
        ("read_slowly", 2),
        ("terminate_responder", 2),
        ("damage", 1),
    ]

    def signal(self, pids, number):
        if not pids:
            return None
        pid = self.random.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def kill_responder(self):
        self.signal(self.service.responders(), signal.SIGKILL)

    def terminate_responder(self):
        self.signal(self.service.responders(), signal.SIGTERM)

    def kill_worker(self):
        self.worker_kills += 1
        self.signal(self.service.workers(), signal.SIGKILL)

    def kill_nginx_worker(self):
        self.signal([p for p, line in self.service.children().items() if "nginx: worker" in line], signal.SIGKILL)

    def kill_everything(self):
        self.worker_kills += 1
        self.service.kill_all()
        self.service.start()

    def stop(self, pids):
        """Stops a process; the supervisor must notice and end it."""
        pid = self.signal(pids, signal.SIGSTOP)
        if pid is not None:
            wait_for(lambda: not alive(pid), 30, 0.1)

    def stop_responder(self):
        self.stop(self.service.responders())

    def stop_worker(self):
        self.worker_kills += 1
        self.stop(self.service.workers())

    def pause_responder(self):
        pid = self.signal(self.service.responders(), signal.SIGSTOP)
        time.sleep(0.7)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def reload(self):
        self.service.process.send_signal(signal.SIGHUP)

    def fill_disk(self):
        ballast = self.disk / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
        try:
            # The file has free pages of its own too.
            for _ in range(2000):
                if self.service.hook(self.filled, b"x" * 50000).status == 507:
                    self.full += 1
                    break
            time.sleep(0.5)
        finally:
            os.remove(ballast)
            self.service.collect(self.filled)

    def read_slowly(self):
        """Clients that request megabytes and do not read them."""
        sockets = []
        for _ in range(20):
            with contextlib.suppress(OSError):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.settimeout(5)
                s.connect((self.service.host, self.service.port))
                s.sendall(b"GET /manage/endpoint/%s/notifications HTTP/1.1\r\nHost: localhost\r\n\r\n" % self.endpoint)
                sockets.append(s)
        time.sleep(2)
        for s in sockets:
            s.close()

    def damage(self):
        """Overwrites a notification of an endpoint that the clients do not use, as a bad block would."""
        if self.victim:
            return
        victim = self.service.create()
        assert self.service.hook(victim, b"to be damaged").status == 200
        store = lmdb.open(
            os.path.join(self.service.directory, "store.mdb"), subdir=False, max_dbs=64, map_size=1 << 30, lock=True
        )
        notifications = store.open_db(b"notifications", create=False)
        with store.begin(write=True) as transaction:
            cursor = transaction.cursor(notifications)
            key = next(key for key, value in cursor if b"to be damaged" in value)
            transaction.put(key, b"\xff\xff\xff", db=notifications)
        store.close()
        self.victim = victim


class Memory(threading.Thread):
    """Samples the memory of all processes of a service: their proportional shares, in MB."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service, self.most, self.ended = service, 0, threading.Event()

    def run(self):
        while not self.ended.wait(1):
            self.most = max(self.most, self.sample())

    def sample(self):
        total = 0
        for pid in [self.service.process.pid, *self.service.children()]:
            with contextlib.suppress(OSError, StopIteration):
                with open("/proc/%d/smaps_rollup" % pid) as rollup:
                    total += int(next(line.split()[1] for line in rollup if line.startswith("Pss:")))
        return total >> 10
