"""A damaged store: a damaged record fails only its own requests, and the tools name the damage and repair it."""

import base64
import json
import os
import random
import struct
import threading
import uuid

import pytest
from event_service import event, on, token
from harness import postroom
from queue_service import configuration, error, roomy
from webhook_service import new_environment


def path(service):
    return os.path.join(service.directory, "store.mdb")


def overwrite(service, found, replacement=b"\xff"):
    """Writes over the beginning of each place that has `found`, in old pages too."""
    with open(path(service), "r+b") as file:
        content = file.read()
        place, count = content.find(found), 0
        while place >= 0:
            file.seek(place)
            file.write(replacement)
            count += 1
            place = content.find(found, place + 1)
    assert count > 0, found


def damage_endpoint(service, endpoint):
    """Overwrites an endpoint's record: it begins with its version, the flags and the id."""
    bits = base64.urlsafe_b64decode(endpoint)
    overwrite(service, b"\x01" + b"\x01" + bits)


def log_lines(service, text):
    return [line for line in service.log().splitlines() if text in line]


def run(service, *arguments, **options):
    return postroom(service.directory, *arguments, **options)


def summary(result):
    return result.stdout.decode(errors="replace") + result.stderr.decode(errors="replace")


def test_a_damaged_endpoint_fails_only_its_own_requests(serve):
    service = serve(RESPONDERS=1, DURABILITY="process")
    damaged, others = service.create(), [service.create() for _ in range(4)]
    assert service.hook(damaged, b"lost?").status == 200
    assert service.stop() == 0
    damage_endpoint(service, damaged)
    service.start()

    statuses = {endpoint: [] for endpoint in [damaged] + others}

    def send(endpoint):
        connection = service.connection()
        for number in range(100):
            statuses[endpoint].append(service.hook(endpoint, b"%d" % number, connection=connection).status)

    threads = [threading.Thread(target=send, args=(endpoint,)) for endpoint in statuses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses[damaged] == [500] * 100
    for endpoint in others:
        assert statuses[endpoint] == [200] * 100
        assert service.bodies(endpoint) == [str(number) for number in range(100)]
    answer = service.call("GET", "/manage/endpoint/" + damaged)
    assert answer.status == 500 and "damaged" in answer.text
    lines = log_lines(service, damaged)
    assert len(lines) == 1 and "store repair" in lines[0]

    assert service.stop() == 0
    check = run(service, "store", "check")
    assert check.returncode == 2
    export = run(service, "store", "export")
    assert export.returncode == 1 and b"--skip-damaged" in export.stderr
    repair = run(service, "store", "repair")
    assert repair.returncode == 0, summary(repair)
    assert damaged in summary(repair)
    service.check()
    service.start()
    # It is made again from the indexes and its notifications.
    assert service.bodies(damaged) == ["lost?"]
    assert service.hook(damaged, b"again").status == 200
    assert service.stop() == 0
    service.check()


def test_a_damaged_notification_is_skipped_and_named(serve):
    service = serve(RESPONDERS=1)
    endpoint, other = service.create(), service.create()
    for body in (b"first-of-three", b"second-of-three", b"third-of-three"):
        assert service.hook(endpoint, body).status == 200
    assert service.hook(other, b"sound").status == 200
    assert service.stop() == 0
    overwrite(service, b"second-of-three", replacement=b"S")
    export = run(service, "store", "export", "--skip-damaged")
    assert export.returncode == 0
    assert "notification 2 of endpoint " + endpoint in export.stderr.decode()
    bodies = [json.loads(line).get("body") for line in export.stdout.splitlines() if b'"kind": "notification"' in line]
    assert sorted(bodies) == ["first-of-three", "sound", "third-of-three"]
    repair = run(service, "store", "repair")
    assert repair.returncode == 0 and "notification 2 of endpoint " + endpoint in summary(repair)
    kept = [name for name in os.listdir(service.directory) if name.startswith("store.mdb.before-repair-")]
    assert len(kept) == 1
    service.check()
    assert "There is nothing to repair" in summary(run(service, "store", "repair"))
    service.start()
    assert service.bodies(endpoint) == ["first-of-three", "third-of-three"]
    assert service.bodies(other) == ["sound"]


def test_a_damaged_queue_fails_only_its_own_requests(serve_queues):
    service = serve_queues(configuration([roomy("bad-queue"), roomy("good-queue")]), RESPONDERS=1)
    for queue in ("bad-queue", "good-queue"):
        service.send(queue, b"to-" + queue.encode())
        service.listen("c-" + queue, queue)
    assert service.stop() == 0
    # The settings of a queue begin with the version, the length of the name, and the name.
    overwrite(service, b"\x01\x09bad-queue")
    service.start()
    answers = [service.post("bad-queue", b"x"), service.post("good-queue", b"y")]
    assert answers[0].status == 500 and "damaged" in error(answers[0], 500), answers[0].text
    assert answers[1].status == 200
    assert service.texts("c-good-queue") == ["y"]
    lines = [line for line in log_lines(service, "damage") if "queue bad-queue" in line]
    assert len(lines) == 1 and "store repair" in lines[0]
    assert service.stop() == 0
    assert run(service, "store", "check").returncode == 2
    repair = run(service, "store", "repair")
    assert repair.returncode == 0, summary(repair)
    service.check()


def test_a_damaged_webhook_fails_only_its_own_requests(serve_webhooks, receive):
    receiver = receive()
    service = serve_webhooks(RESPONDERS=1)
    environment = new_environment()
    webhooks = [service.add(environment, receiver.url(path)) for path in ("/bad", "/good")]
    assert service.stop() == 0
    # A webhook's record begins with its version, its id, and the id of its environment.
    bad = uuid.UUID(webhooks[0]["webhook_id"]).bytes
    overwrite(service, b"\x01" + bad + uuid.UUID(environment).bytes)
    service.start()
    answer = service.call("GET", "/webhooks/" + webhooks[0]["webhook_id"])
    assert answer.status == 500 and "damaged" in answer.json()["message"], answer.text
    assert service.call("GET", "/webhooks/" + webhooks[1]["webhook_id"]).status == 200
    service.publish(environment)
    receiver.wait(1, "/good")
    lines = log_lines(service, webhooks[0]["webhook_id"])
    assert len(lines) == 1 and "store repair" in lines[0]
    assert service.stop() == 0
    repair = run(service, "store", "repair")
    assert repair.returncode == 0, summary(repair)
    service.check()
    service.start()
    assert service.call("GET", "/webhooks/" + webhooks[0]["webhook_id"]).status == 404
    assert service.call("GET", "/webhooks/" + webhooks[1]["webhook_id"]).status == 200


def test_a_damaged_subscription_fails_only_its_own_requests(serve_events, receive):
    receiver = receive()
    service = serve_events(RESPONDERS=1)
    key = token()
    bad, good = [service.subscribe("alice", receiver.url(path), on(key)) for path in ("/bad", "/good")]
    assert service.stop() == 0
    overwrite(service, b"\x01" + uuid.UUID(bad["uuid"]).bytes)
    service.start()
    answer = service.ask("GET", "/eventmatch/" + bad["uuid"], user="alice")
    assert answer.status == 500 and "damaged" in answer.text, answer.text
    service.subscription(good)
    service.send(event(key))
    receiver.wait(1, "/good")
    lines = log_lines(service, "subscription " + bad["uuid"])
    assert len(lines) == 1 and "store repair" in lines[0]
    assert service.stop() == 0
    repair = run(service, "store", "repair")
    assert repair.returncode == 0, summary(repair)
    service.check()


def filled(service):
    """Creates endpoints with notifications on many pages; returns the bodies of each."""
    expected = {}
    connection = service.connection()
    for number in range(40):
        endpoint = service.create()
        expected[endpoint] = ["%d-%d" % (number, index) + "x" * 700 for index in range(20)]
        for body in expected[endpoint]:
            assert service.hook(endpoint, body.encode(), connection=connection).status == 200
    return expected


def refusal(service, *arguments):
    """Runs a command, which must fail without a crash and name the remedy; returns what it says."""
    result = run(service, *arguments, APP_PORT=service.port)
    assert result.returncode > 0, summary(result)
    assert "store repair" in summary(result), summary(result)
    return summary(result)


def test_a_truncated_store_is_named_and_what_is_left_is_repaired(serve):
    service = serve(RESPONDERS=1, DURABILITY="process")
    filled(service)
    assert service.stop() == 0
    meta = open(path(service), "rb").read(8192)
    last = max(struct.unpack_from("<QQ", meta, offset + 136) for offset in (0, 4096))[0]
    os.truncate(path(service), (last + 1) * 4096 * 2 // 3)
    for command in ("check", "compact", "export"):
        assert "truncated" in refusal(service, "store", command)
    assert "truncated" in refusal(service, "serve")
    export = run(service, "store", "export", "--skip-damaged")
    assert export.returncode == 0, summary(export)
    repair = run(service, "store", "repair")
    assert repair.returncode == 0 and "truncated" in summary(repair), summary(repair)
    service.check()
    service.start()
    assert service.hook(service.create(), b"goes on").status == 200


@pytest.mark.parametrize("seed", range(3))
def test_overwritten_pages_crash_no_command_and_a_repair_keeps_what_can_be_read(serve, seed):
    service = serve(RESPONDERS=1, DURABILITY="process")
    expected = filled(service)
    assert service.stop() == 0
    # Afterwards the file has only pages that are in use.
    assert run(service, "store", "compact").returncode == 0
    # Only pages of notifications: nothing else may be lost.
    chance = random.Random(seed)
    with open(path(service), "r+b") as file:
        content = file.read()
        pages = [page for page in range(2, len(content) // 4096)
                 if content[page * 4096:(page + 1) * 4096].count(b"x" * 700) >= 3]
        for page in chance.sample(pages, 2):
            file.seek(page * 4096)
            file.write(bytes(chance.randrange(256) for _ in range(4096)))
    for command in ("check", "export", "compact"):
        result = run(service, "store", command)
        assert result.returncode >= 0, summary(result)
    assert run(service, "store", "check").returncode == 2
    repair = run(service, "store", "repair")
    assert repair.returncode == 0, summary(repair)
    service.check()
    service.start()
    left = 0
    for endpoint, bodies in expected.items():
        found = service.bodies(endpoint)
        assert set(found) <= set(bodies)
        left += len(found)
    assert left >= 400
    assert service.stop() == 0
    service.check()
