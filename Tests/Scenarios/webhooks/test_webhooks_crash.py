"""Processes die at any instant, and acknowledged events are delivered; secrets are in no file."""

import base64
import collections
import json
import os
import random
import shutil
import signal
import time

import pytest
from harness import Senders, postroom, wait_for
from webhook_service import header_of, new_environment

SECONDS = float(os.environ.get("CRASH_SECONDS", "15"))
# Attempts to one webhook at a time.
IN_FLIGHT = 16


class Publishers(Senders):
    """Four threads that publish events with different ids."""

    def __init__(self, service, environment):
        self.environment = environment
        super().__init__(service, [None], 4)

    def post(self, _, text, connection):
        body = json.dumps({"event": "pipeline-created", "event_id": text, "data": {"text": text}})
        path = "/environments/%s/events" % self.environment
        answer = self.service.call("POST", path, body, {"Content-Type": "application/json"}, connection)
        answer.status = 200 if answer.status == 202 else answer.status
        time.sleep(0.01)
        return answer


def three_webhooks(service, receiver, environment, **members):
    return {path: service.add(environment, receiver.url(path), **members) for path in ("/a", "/b", "/c")}


def delivered(receiver, path):
    """How often each event arrived at a path."""
    return collections.Counter(call["id"] for call in receiver.arrivals(path))


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.parametrize("ordered", [False, True])
def test_attempts_of_a_killed_worker_are_made_again_at_once_if_there_is_no_other(serve_webhooks, receive, ordered):
    receiver = receive({"/slow": {"steps": [{"fault": "hang"}, {}]}})
    service = serve_webhooks()
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/slow"), ordered=ordered)
    service.publish(environment)
    receiver.wait(1)
    (worker,) = service.workers()
    kill([worker])
    # Not after its lease, which is the timeout and 15 s.
    first, second = receiver.wait(2, seconds=4)
    assert header_of(first, "x-3dverse-delivery") == header_of(second, "x-3dverse-delivery")
    (line,) = service.settle(webhook)
    assert line["final"] and line["attempt"] == 1


def test_no_delivery_is_lost_when_workers_and_responders_are_killed(serve_webhooks, receive):
    # Slow enough that there are attempts in flight at each kill.
    receiver = receive({"*": {"delay": 0.02}})
    service = serve_webhooks(RESPONDERS=3, WEBHOOKS_WRITE_TIMEOUT="1s")
    environment = new_environment()
    webhooks = three_webhooks(service, receiver, environment)
    # The supervisor waits longer each time before it starts a process again. These are started at once.
    workers = [service.beside("work") for _ in range(2)]
    kills = 0
    try:
        with Publishers(service, environment) as senders:
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                time.sleep(0.5)
                # Events have been acknowledged since the last kill.
                wait_for(lambda kills=kills: len(senders.sent()) > 20 * kills)
                victim = workers.pop(0)
                kill([victim.pid, *service.workers(), random.choice(wait_for(service.responders))])
                victim.wait()
                workers.append(service.beside("work"))
                kills += 1
        assert senders.failures == [] and kills > 3
        sent = senders.sent()
        # Attempts of a killed worker are made again when their lease ends, after the timeout and 15 s.
        service.settle(*webhooks.values(), seconds=40)
    finally:
        for worker in workers:
            worker.terminate()
    assert [worker.wait(20) for worker in workers] == [0, 0]
    for path, webhook in webhooks.items():
        counts = delivered(receiver, path)
        assert sorted(counts) == sent
        assert sum(counts.values()) - len(sent) <= kills * 2 * IN_FLIGHT
        statistics = service.statistics(webhook)
        assert (statistics["pending"], statistics["given_up"], statistics["failed_attempts"]) == (0, 0, 0)
        assert statistics["delivered"] == len(sent)
    service.check()


def test_several_workers_make_each_delivery_once(serve_webhooks, receive):
    receiver = receive()
    service = serve_webhooks(RESPONDERS=2)
    environment = new_environment()
    webhooks = three_webhooks(service, receiver, environment)
    others = [service.beside("work") for _ in range(3)]
    try:
        with Publishers(service, environment) as senders:
            wait_for(lambda: len(senders.sent()) > 400)
        service.settle(*webhooks.values())
    finally:
        for other in others:
            other.terminate()
    assert senders.failures == [] and [other.wait(20) for other in others] == [0, 0, 0]
    for path in webhooks:
        assert delivered(receiver, path) == collections.Counter(senders.sent())


def test_no_delivery_is_lost_when_every_process_is_killed_at_once(serve_webhooks, receive):
    for durability in ("disk", "process"):
        receiver = receive({"/b": {"status": 500}, "/c": {"delay": 0.3}})
        service = serve_webhooks(RESPONDERS=3, DURABILITY=durability, WEBHOOKS_WRITE_TIMEOUT="1s")
        environment = new_environment()
        webhooks = three_webhooks(service, receiver, environment, retry_policy=["3s"] * 10)
        with Publishers(service, environment) as senders:
            wait_for(lambda: len(senders.sent()) > 100)
            service.kill_all()
            senders.stopping.set()
        receiver.rule("/b")
        service.start()
        for webhook in webhooks.values():
            # Its circuit may be open; a change closes it.
            service.change(webhook, disabled_until="2020-01-01T00:00:00Z")
        service.settle(*webhooks.values(), seconds=60)
        sent = set(senders.sent())
        came = {path: set(delivered(receiver, path)) for path in webhooks}
        for path, webhook in webhooks.items():
            # One event of each thread may have been stored and not acknowledged.
            assert sent <= came[path] and len(came[path]) <= len(sent) + 4
            statistics = service.statistics(webhook)
            assert (statistics["pending"], statistics["given_up"]) == (0, 0)
            assert statistics["delivered"] == len(came["/a"])
        assert sum(delivered(receiver, "/a").values()) <= len(came["/a"]) + IN_FLIGHT
        service.check()
        service.stop()


def holds_lock(worker):
    """Whether workers that start later can see this one."""
    directory = "/proc/%d/fd" % worker
    return any(os.readlink(os.path.join(directory, name)).endswith("/worker.lock") for name in os.listdir(directory))


def test_an_attempt_of_a_killed_worker_is_made_by_another_one_when_its_lease_ends(serve_webhooks, receive, clock):
    receiver = receive({"/": {"steps": [{"fault": "hang"}, {}]}})
    service = serve_webhooks(RESPONDERS=1, WEBHOOKS_WRITE_TIMEOUT="1s", WEBHOOKS_MAX_RETRIES=0, **clock.settings)
    environment = new_environment()
    webhook = service.add(environment, receiver.url("/"))
    other_webhook = service.add(new_environment(), receiver.url("/other"))
    service.publish(environment)
    receiver.wait(1)
    other = service.beside("work")
    wait_for(lambda: holds_lock(other.pid))
    service.kill_all()
    service.start()
    assert service.statistics(webhook)["pending"] == 1
    # The lease is the timeout and 15 s. A worker that makes another delivery after 10 s has looked for all that is due.
    clock.advance(10)
    service.publish(other_webhook["environment_id"])
    service.settle(other_webhook)
    assert len(receiver.arrivals("/")) == 1
    clock.advance(6)
    first, second = receiver.wait(2, "/")
    other.terminate()
    assert other.wait(20) == 0
    assert first["sha256"] == second["sha256"]
    assert header_of(first, "X-3dverse-Delivery") == header_of(second, "X-3dverse-Delivery")
    assert [line["status_code"] for line in service.settle(webhook)] == [200]


# ------------------------------------------------------------ secrets


ENCRYPTION_SECRET = "correct-horse-battery-staple-32!"
assert len(ENCRYPTION_SECRET) == 32


def files_of(service):
    """The name and bytes of each file that the service has written, except the key itself."""
    for directory, _, names in os.walk(service.directory):
        for name in names:
            path = os.path.join(directory, name)
            if name != "secret.key" and os.path.isfile(path):
                with open(path, "rb") as file:
                    yield name, file.read()


def encodings(secret):
    """A secret as it is, reversed, in base64 and in hexadecimal."""
    for form in (secret, secret[::-1], base64.b64encode(secret), base64.urlsafe_b64encode(secret), secret.hex().encode()):
        yield form.strip(b"=")


@pytest.mark.parametrize("secret", ["", ENCRYPTION_SECRET])
def test_no_file_contains_a_secret(serve_webhooks, receive, secret):
    receiver = receive({"/fails": {"status": 500}})
    service = serve_webhooks(DB_ENCRYPTION_SECRET=secret, WEBHOOKS_MAX_RETRIES=0, LOG_LEVEL="DEBUG")
    environment = new_environment()
    key = os.urandom(32)
    credential, value = "Bearer " + os.urandom(20).hex(), "value-" + os.urandom(20).hex()
    headers = {"Authorization": credential, "X-Plainly-Named": value}
    given = "whsec_" + base64.b64encode(key).decode()
    webhooks = [
        service.add(environment, receiver.url(path), custom_headers=headers, secret=given) for path in ("/", "/fails")
    ]
    made = service.add(environment, receiver.url("/"), secret=True)["secret"]
    service.publish(environment)
    service.settle(*webhooks)
    changed = "changed-" + os.urandom(20).hex()
    service.change(webhooks[0], custom_headers={"Authorization": changed, "X-Plainly-Named": "***"})
    service.change(webhooks[1], secret=True)
    service.publish(environment)
    service.settle(*webhooks)
    # The calls had them, so these are the right ones.
    assert [header_of(call, "Authorization") for call in receiver.arrivals("/") if header_of(call, "Authorization")] == [
        credential,
        changed,
    ]
    secrets = [text.encode() for text in (credential, value, changed, given, made, credential[7:], given[6:])]
    secrets += [key, base64.b64decode(made[6:])]
    if secret:
        secrets.append(secret.encode())
    else:
        with open(os.path.join(service.directory, "secret.key"), "rb") as file:
            secrets.append(file.read())
        assert os.stat(os.path.join(service.directory, "secret.key")).st_mode & 0o777 == 0o600
    for stopped in (False, True):
        if stopped:
            service.stop()
        found = dict(files_of(service))
        assert b"X-Plainly-Named" in found["store.mdb"]
        found["log"] = service.raw_log()
        for name, content in found.items():
            for text in secrets:
                for form in encodings(text):
                    assert form not in content, (name, text)
            # Nor a private key in PEM or DER.
            assert b"PRIVATE KEY" not in content
            # PKCS #8 of an Ed25519 key (RFC 8410, section 7).
            assert bytes.fromhex("302e020100300506032b657004220420") not in content
    assert os.path.exists(os.path.join(service.directory, "secret.key")) == (not secret)


def test_the_key_file_is_made_once_and_logged(serve_webhooks):
    service = serve_webhooks()
    path = os.path.join(service.directory, "secret.key")
    with open(path, "rb") as file:
        key = file.read()
    assert len(key) == 32 and os.stat(path).st_mode & 0o777 == 0o600
    assert service.log().count("secret.key") == 1
    service.stop()
    service.start()
    with open(path, "rb") as file:
        assert file.read() == key
    assert service.log().count("secret.key") == 1


@pytest.mark.parametrize("secret", ["short", "x" * 31, "x" * 33, "é" * 32])
def test_an_encryption_secret_of_another_length_is_refused_and_not_shown(tmp_path, secret):
    for command in (("serve",), ("respond",), ("work",), ("settings",)):
        result = postroom(tmp_path, *command, DB_ENCRYPTION_SECRET=secret)
        text = (result.stdout + result.stderr).decode()
        assert result.returncode != 0 and "DB_ENCRYPTION_SECRET" in text and "32 bytes" in text
        assert secret not in text and len(result.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def export(service):
    """The lines of an export, without the first one, which has the time."""
    result = postroom(service.directory, "store", "export")
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[1:]


def snapshot(directory):
    """The bytes of each file, except the lock file of the store."""
    found = {}
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if os.path.isfile(path) and not name.endswith("-lock"):
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


CHANGED_BY_OPENING = ["journal", "store.mdb", "store.shared"]


@pytest.mark.parametrize("before, after", [(ENCRYPTION_SECRET, "x" * 32), (ENCRYPTION_SECRET, ""), ("", "x" * 32)])
def test_another_encryption_secret_is_refused_and_changes_nothing(serve_webhooks, before, after):
    service = serve_webhooks(DB_ENCRYPTION_SECRET=before)
    environment = new_environment()
    webhook = service.add(environment, "http://127.0.0.1:1/", custom_headers={"X-A": "a"}, secret=True)
    key = service.key(environment)
    service.stop()
    kept, exported = snapshot(service.directory), export(service)
    for name in CHANGED_BY_OPENING:
        del kept[name]
    for command in (("serve",), ("work",)):
        port = {"APP_PORT": service.port, **service.settings, "DB_ENCRYPTION_SECRET": after}
        result = postroom(service.directory, *command, timeout=30, **port)
        lines = result.stderr.decode().splitlines()
        assert result.returncode != 0 and len(lines) == 1 and "DB_ENCRYPTION_SECRET" in lines[0], lines
        assert not after or after not in lines[0]
        # Opening a store changes its files, so its content is compared by its export.
        now = snapshot(service.directory)
        assert all(now.pop(name) for name in CHANGED_BY_OPENING) and now == kept
        assert export(service) == exported
    service.start()
    assert service.key(environment) == key and service.webhook(webhook)["custom_headers"] == {"X-A": "***"}


def test_a_lost_key_file_is_not_replaced(serve_webhooks, tmp_path):
    service = serve_webhooks()
    environment = new_environment()
    key = service.key(environment)
    service.stop()
    path = os.path.join(service.directory, "secret.key")
    shutil.move(path, tmp_path / "kept")
    for _ in range(2):
        result = postroom(service.directory, "serve", timeout=30, APP_PORT=service.port)
        assert result.returncode != 0 and "secret.key" in result.stderr.decode() and not os.path.exists(path)
    shutil.move(tmp_path / "kept", path)
    service.start()
    assert service.key(environment) == key
