"""Any process may die at any instant: nothing acknowledged is lost or doubled, and nobody notices."""

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
    """Threads that keep collecting, and keep what they were given."""

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
    """Senders and collectors at work while something happens again and again; then everything must be there once."""
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


def test_responders_killed_again_and_again_lose_nothing_and_fail_nobody(serve):
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


def test_a_single_responder_that_is_killed_fails_nobody(serve):
    service = serve(RESPONDERS=1, MAX_ENDPOINT_NOTIFICATIONS=1000000)
    disturb(service, lambda: [os.kill(pid, signal.SIGKILL) for pid in service.responders()], 0.7, SECONDS / 3)


def test_replacing_the_responders_fails_nobody(serve):
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
        # What was being sent at that moment may be kept or not; what was acknowledged must be.
        assert set(senders.sent()) <= found
        assert len(found) <= len(senders.sent()) + 8
        service.check()


def test_the_worker_and_nginx_are_started_again(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    assert wait_for(lambda: [pid for pid in service.workers() if pid != worker])
    master = next(pid for pid, line in service.children().items() if "nginx: master" in line)
    os.kill(master, signal.SIGKILL)

    def answers():
        try:
            return service.hook(endpoint, "after").status == 200
        except OSError:
            return False

    wait_for(answers)
    assert "after" in service.bodies(endpoint)


def test_a_supervisor_that_is_killed_takes_everything_with_it_and_can_be_started_again(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    assert service.hook(endpoint, "kept").status == 200
    children = service.children()
    service.process.kill()
    service.process.wait()
    wait_for(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in children))
    service.start()
    assert service.bodies(endpoint) == ["kept"]


def test_workers_of_nginx_that_outlived_everything_else_make_room_for_the_next(serve):
    service = serve(RESPONDERS=2)
    endpoint = service.create()
    children = service.children()
    workers = [pid for pid, line in children.items() if "nginx: worker" in line]
    for pid in [service.process.pid, *(pid for pid in children if pid not in workers)]:
        os.kill(pid, signal.SIGKILL)
    service.process.wait()
    assert all(os.path.exists("/proc/%d" % pid) for pid in workers)
    service.start()
    assert service.hook(endpoint, "x").status == 200
