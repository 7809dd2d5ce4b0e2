"""Processes are killed at any moment: no acknowledged notification is lost or doubled, and no request fails."""

import os
import random
import signal
import time

from harness import Senders, Threads, wait_for

SECONDS = float(os.environ.get("CRASH_SECONDS", "15"))


def collect_all(service, endpoints):
    found = []
    for endpoint in endpoints:
        found += service.bodies(endpoint)
    return sorted(found)


class Collectors(Threads):
    """Threads that collect again and again; `found` has the bodies."""

    def __init__(self, service, endpoints):
        self.service, self.found, self.failures = service, [], []
        super().__init__(endpoints)

    def run(self, endpoint):
        while not self.stopping.is_set():
            try:
                answer = self.service.call("GET", "/manage/endpoint/" + endpoint)
                if answer.status == 200:
                    self.found += [n["body"] for n in answer.json()["notifications"]]
                else:
                    self.failures.append((answer.status, answer.text))
            except Exception as error:  # noqa: BLE001
                self.failures.append(repr(error))
            time.sleep(0.05)


def disturb(service, disturbance, pause, seconds):
    """Repeats a disturbance while others send and collect; every acknowledged body must be collected once."""
    endpoints = [service.create() for _ in range(4)]
    with Collectors(service, endpoints) as collectors:
        with Senders(service, endpoints, 16) as senders:
            deadline = time.monotonic() + seconds
            times = 0
            while time.monotonic() < deadline:
                time.sleep(pause)
                disturbance()
                times += 1
    found = sorted(collectors.found + collect_all(service, endpoints))
    assert senders.failures == []
    assert collectors.failures == []
    assert found == senders.sent()
    assert len(found) > 10 * times
    service.check()


def test_killing_responders_loses_nothing_and_fails_no_request(serve):
    service = serve(RESPONDERS=4, MAX_ENDPOINT_NOTIFICATIONS=1000000)
    killed = set()

    def kill_one():
        pids = service.responders()
        if pids:
            pid = random.choice(pids)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)

    disturb(service, kill_one, 0.5, SECONDS)
    assert len(killed) >= SECONDS


def test_killing_the_only_responder_fails_no_request(serve):
    service = serve(RESPONDERS=1, MAX_ENDPOINT_NOTIFICATIONS=1000000)
    disturb(service, lambda: [os.kill(pid, signal.SIGKILL) for pid in service.responders()], 0.7, SECONDS / 3)


class Forwarders(Threads):
    """Threads that have notifications forwarded, each from endpoints of its own; `rounds` has the endpoints and the ids that were answered."""

    def __init__(self, service, count):
        self.service, self.rounds, self.failures = service, [], []
        super().__init__(range(count))

    def run(self, _):
        connection = self.service.connection()
        while not self.stopping.is_set():
            try:
                endpoint = self.service.create()
                for _ in range(10):
                    self.service.hook(endpoint, "x", connection=connection)
                urls = ["http://127.0.0.1:9/%d" % number for number in range(10)]
                answered = [self.service.forward(endpoint, range(1, 11), urls) for _ in range(3)]
                self.rounds.append((endpoint, [forward["id"] for forwards in answered for forward in forwards]))
            except Exception as error:  # noqa: BLE001
                self.failures.append(repr(error))
        connection.close()


def test_forwards_are_begun_once_and_all_together_when_responders_are_killed(forwarding):
    service = forwarding(RESPONDERS=3)
    with Forwarders(service, 4) as forwarders:
        deadline, killed = time.monotonic() + SECONDS / 3, set()
        while time.monotonic() < deadline:
            time.sleep(0.1)
            for pid in service.responders()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
    assert forwarders.failures == []
    assert len(killed) > SECONDS and len(forwarders.rounds) > SECONDS / 3
    for endpoint, answered in forwarders.rounds:
        assert len(answered) == 300 and sorted(answered) == sorted(f["id"] for f in service.forwards(endpoint, "?limit=1000"))
    service.check()


def test_reloads_fail_no_request(serve):
    service = serve(RESPONDERS=4, MAX_ENDPOINT_NOTIFICATIONS=1000000)
    before = set(service.responders())
    disturb(service, lambda: service.process.send_signal(signal.SIGHUP), 2, SECONDS)
    wait_for(lambda: len(service.responders()) == 4)
    assert not before & set(service.responders())


def test_killing_every_process_at_once_loses_nothing(serve):
    for durability in ("disk", "process"):
        service = serve(RESPONDERS=3, MAX_ENDPOINT_NOTIFICATIONS=1000000, DURABILITY=durability)
        endpoints = [service.create() for _ in range(3)]
        with Senders(service, endpoints, 8) as senders:
            wait_for(lambda: len(senders.sent()) > 300)
            service.kill_all()
            senders.stopping.set()
        service.start()
        found = set(collect_all(service, endpoints))
        # All that was acknowledged is there. Each of the eight senders may have been waiting for one more answer.
        assert set(senders.sent()) <= found
        assert len(found) <= len(senders.sent()) + 8
        service.check()


def test_the_worker_and_nginx_are_started_again(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: [pid for pid in service.workers() if pid != worker])
    master = next(pid for pid, line in service.children().items() if "nginx: master" in line)
    os.kill(master, signal.SIGKILL)

    def answers():
        try:
            return service.hook(endpoint, "after").status == 200
        except OSError:
            return False

    wait_for(answers)
    assert "after" in service.bodies(endpoint)


def test_all_processes_end_with_a_killed_supervisor_and_the_service_starts_again(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    assert service.hook(endpoint, "kept").status == 200
    children = service.children()
    service.process.kill()
    service.process.wait()
    wait_for(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in children))
    service.start()
    assert service.bodies(endpoint) == ["kept"]


def test_a_start_ends_nginx_workers_that_are_left_of_a_killed_service(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    children = service.children()
    workers = [pid for pid, line in children.items() if "nginx: worker" in line]
    # The supervisor is stopped first, so that it starts nothing again. nginx's master must die before the supervisor: it
    # would end its workers.
    service.process.send_signal(signal.SIGSTOP)
    for pid in children:
        if pid not in workers:
            os.kill(pid, signal.SIGKILL)
    service.process.kill()
    service.process.wait()
    assert all(os.path.exists("/proc/%d" % pid) for pid in workers)
    service.start()
    assert service.hook(endpoint, "x").status == 200
