"""A campaign of faults against all four APIs: no acknowledged message is lost or doubled, and memory stays bounded.

CHAOS_SECONDS sets its length: 25 by default, 600 for a campaign. CHAOS_SEED repeats the order of faults."""

import collections
import json
import os
import subprocess

import pytest
from chaos import SECONDS, SEED, Collectors, Faults, Hooks, Memory, Messages, QueueClients, RoutedEvents, WebhookEvents
from disks import needs_root
from event_service import EventService, on, token
from harness import postroom, wait_for
from queue_service import basic, configuration, plain_user, roomy
from webhook_service import Receiver, WebhookService, header_of, new_environment

# Of all processes of a service, with the pages of the store that they map.
MEMORY_LIMIT_MEGABYTES = 400
# Simultaneous attempts to one destination: so many calls may be repeated after a worker was killed.
IN_FLIGHT = 16


@pytest.fixture
def disk(tmp_path):
    mounted = tmp_path / "disk"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(mounted)], check=True)
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def received(receiver, path):
    """How often each text arrived with a new id, and how many calls were repeated."""
    texts, ids = collections.Counter(), collections.Counter()
    for call in receiver.arrivals(path):
        identifier = header_of(call, "webhook-id")
        ids[identifier] += 1
        if ids[identifier] == 1:
            data = json.loads(call["body"])["data"]
            texts[data.get("text") or next(iter(data.values()))] += 1
    return texts, sum(times - 1 for times in ids.values())


@needs_root
def test_a_campaign_of_faults_loses_and_doubles_nothing(disk, tmp_path):
    print("CHAOS_SEED=%d" % SEED)
    config = configuration([roomy("orders")], users=())
    config["users"] = [plain_user("alice", ["orders"])]
    service = EventService(
        disk, RESPONDERS=3, MAX_ENDPOINT_NOTIFICATIONS=1000000, MAX_STORE_BYTES="256m", EVENTS_RETRY_SCHEDULE="1s,1s,1s,5s"
    )
    os.makedirs(service.directory)
    with open(os.path.join(service.directory, "options.conf"), "w") as file:
        json.dump(config, file)
    receiver = Receiver(tmp_path / "receiver", {"*": {"delay": 0.01}})
    service.start()
    try:
        campaign(service, receiver, disk)
    finally:
        service.stop()
        receiver.stop()


def campaign(service, receiver, disk):
    endpoints = [service.create() for _ in range(3)]
    large = service.create()
    for _ in range(4):
        assert service.hook(large, b"\x01" * 1000000, {"Content-Type": "text/plain"}).status == 200
    assert service.call("POST", "/listen/reader/orders", headers=basic("alice")).status == 200
    environment, key = new_environment(), token()
    webhook = service.add(environment, receiver.url("/webhook"), retry_policy=["1s"] * 60)
    service.subscribe("chaos", receiver.url("/routed"), on(key))
    hooks, messages = Hooks(service, endpoints, 6), Messages(service, 2)
    published, routed = WebhookEvents(service, environment, 2), RoutedEvents(service, key, 2)
    collectors, clients = Collectors(service, endpoints), QueueClients(service, ["reader"])
    faults, memory = Faults(service, disk, large.encode()), Memory(service)
    memory.start()
    with collectors, clients:
        with hooks, messages, published, routed:
            faults.run(SECONDS)
        for readers in (collectors, clients):
            for source in readers.found:
                read_rest(service, readers, source)
    memory.ended.set()
    WebhookService.settle(service, webhook, seconds=120)
    wait_for(lambda: routed.sent() <= set(received(receiver, "/routed")[0]), 120, 0.5)

    found, (came, again), (matched, again_matched) = (
        collectors.counted(),
        received(receiver, "/webhook"),
        received(receiver, "/routed"),
    )
    figures = {
        "faults": dict(faults.counts),
        "acknowledged": [len(clients.sent()) for clients in (hooks, messages, published, routed)],
        "refused": [dict(clients.refusals) for clients in (hooks, messages, published, routed)],
        "calls made again": [again, again_matched],
        "memory": "%d MB" % memory.most,
    }
    print(json.dumps(figures))
    assert collectors.failures == [] and clients.failures == []
    hooks.check(found, "capture")
    messages.check(clients.counted(), "queues")
    published.check(came, "webhooks")
    routed.check(matched, "events")
    # A call that was being made when its worker was killed is repeated with the same id.
    assert again + again_matched <= 2 * IN_FLIGHT * faults.worker_kills
    assert faults.full > 0
    assert memory.most < MEMORY_LIMIT_MEGABYTES
    # Only the damaged notification is lost, and that is reported.
    answer = service.look(faults.victim)
    assert answer.status == 500 and "damaged" in answer.text
    damaged = postroom(service.directory, "store", "check", timeout=300)
    assert damaged.returncode == 2 and b"Notification 1 of endpoint" in damaged.stdout, damaged.stdout
    assert service.call("DELETE", "/manage/endpoint/" + faults.victim).status == 204
    service.check()


def read_rest(service, readers, source):
    """Reads a source until it has no more messages."""
    outcomes = []

    def is_empty():
        try:
            outcomes.append(readers.read(source))
        except (OSError, ValueError, AttributeError) as error:
            outcomes.append(repr(error))
        return outcomes[-1] == 0

    try:
        wait_for(is_empty, 60)
    except AssertionError as error:
        raise AssertionError((source, outcomes[-10:], service.log()[-5000:])) from error
