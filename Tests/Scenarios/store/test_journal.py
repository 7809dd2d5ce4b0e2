"""What waits for the sync of the journal."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from event_service import event, on, token
from harness import wait_for
from queue_service import configuration, read_messages, roomy

# A sync that takes longer is made in a thread of its own, so that the responder goes on meanwhile.
SLOW_MICROSECONDS = 2000


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def begin_held(faults, service, pool, call):
    """Makes a call whose sync is held; returns its future when the sync has begun."""
    syncs = faults.journal.syncs
    future = pool.submit(call)
    wait_for(lambda: faults.journal.syncs > syncs)
    service.come_to_rest()
    return future


def numbers(answer):
    assert answer.status == 200, answer.text
    return [n["id"] for n in answer.json()["notifications"]]


@pytest.mark.parametrize("microseconds", [0, SLOW_MICROSECONDS], ids=["fast", "slow"])
@pytest.mark.parametrize("responders", [1, 3])
def test_what_readers_are_shown_is_durable(serve, faults, pool, responders, microseconds):
    service = serve(RESPONDERS=responders, **faults.settings)
    endpoint = service.create()
    faults.journal.sync_microseconds = microseconds
    # The time of the last sync decides where the next one is made.
    for _ in range(2 * responders):
        assert service.call("POST", "/manage/endpoint").status == 201
    parked = [service.begin_look(endpoint, "?after=0&wait=60") for _ in range(2 * responders)]
    with faults.holding():
        sender = begin_held(faults, service, pool, lambda: service.hook(endpoint, "x"))
        looks = [service.begin_look(endpoint, "") for _ in range(2 * responders)]
        assert not sender.done()
        assert [reader.is_answered for reader in parked + looks] == [False] * 4 * responders
    assert sender.result().status == 200
    assert [numbers(reader.answer()) for reader in parked + looks] == [[1]] * 4 * responders


@pytest.mark.parametrize("microseconds", [0, SLOW_MICROSECONDS], ids=["fast", "slow"])
def test_what_clients_of_a_queue_are_shown_is_durable(serve_queues, faults, pool, microseconds):
    service = serve_queues(configuration([roomy("a")]), RESPONDERS=2, **faults.settings)
    faults.journal.sync_microseconds = microseconds
    clients = [service.listen("client-%d" % number, "a") for number in range(4)]
    parked = [service.begin_read(client, "?ack=manual&wait=60") for client in clients]
    with faults.holding():
        sender = begin_held(faults, service, pool, lambda: service.post("a", "x"))
        reads = [service.begin_read(client, "?ack=manual") for client in clients]
        assert not sender.done()
        assert [reader.is_answered for reader in parked + reads] == [False] * 8
    assert sender.result().status == 200
    assert [read_messages(reader.answer()) for reader in parked + reads] == [[(1, "x")]] * 8


def test_one_sync_serves_all_who_wait(serve, faults, pool):
    service = serve(RESPONDERS=1, **faults.settings)
    endpoint = service.create()
    faults.journal.sync_microseconds = SLOW_MICROSECONDS
    assert service.hook(endpoint, "slow").status == 200
    with ThreadPoolExecutor(20) as many, faults.holding():
        first = begin_held(faults, service, pool, lambda: service.hook(endpoint, "first"))
        syncs = faults.journal.syncs
        others = [many.submit(service.hook, endpoint, "%d" % number) for number in range(20)]
        wait_for(lambda: faults.journal.syncs > syncs)
        service.come_to_rest()
        assert not first.done() and not [other for other in others if other.done()]
        # The second of the two threads has begun, and no further sync can.
        assert faults.journal.syncs == syncs + 1
        faults.release()
        assert [future.result().status for future in [first, *others]] == [200] * 21
    # The 20 were one or two groups: those that had arrived when the second sync began, and the rest.
    assert faults.journal.syncs <= syncs + 3


def test_a_delivery_begins_after_its_event_is_durable(serve_events, faults, receive, pool):
    receiver = receive()
    service = serve_events(RESPONDERS=1, **faults.settings)
    faults.journal.sync_microseconds = SLOW_MICROSECONDS
    key = token()
    service.subscribe("alice", receiver.url("/target"), on(key))
    with faults.holding():
        sender = begin_held(faults, service, pool, lambda: service.send(event(key)))
        # The worker has matched the event, and waits for a sync of its own.
        wait_for(lambda: faults.journal.syncer in service.workers())
        assert not sender.done() and receiver.arrivals() == []
    sender.result()
    receiver.wait(1, "/target")
