"""Queues with many readers: reading, waiting, acknowledging, and the overview."""

import base64
import random
import time

import pytest
from harness import together, wait_for
from queue_examples import NAMES, joined
from queue_service import QueueReaders, QueueSenders, configuration, error, plain_user, read_messages, roomy

# ---------------------------------------------------------------- many at once


@pytest.mark.parametrize("readers", [2, 8])
def test_parallel_readers_of_one_client_get_each_message_once(queues, queue, readers):
    client = joined(queues, queue)
    lone = joined(queues, queue)
    with QueueReaders(queues, [client]) as one:
        # Other threads read as the same client.
        others = [QueueReaders(queues, [client], "?limit=3") for _ in range(readers - 1)]
        for other in others:
            other.__enter__()
        with QueueSenders(queues, [queue], 4) as senders:
            wait_for(lambda: len(senders.sent()) >= 400)
        sent = senders.sent()

        def found():
            return one.found[client] + [message for other in others for message in other.found[client]]

        wait_for(lambda: len(found()) >= len(sent))
        for other in others:
            other.__exit__()
    assert senders.failures == [] and one.failures == [] and [f for other in others for f in other.failures] == []
    assert sorted(text for _, text in found()) == sent
    assert sorted(number for number, _ in found()) == list(range(1, len(sent) + 1))
    assert sorted(queues.texts(lone)) == sent


def test_one_of_several_parallel_listens_of_a_name_succeeds(queues, queue):
    other = next(queues.unused)
    for turn in range(20):
        client = "contested%d" % turn

        def listen(index):
            return queues.ask("POST", "/listen/%s/%s" % (client, (queue, other)[index % 2])).status

        assert sorted(together(8, listen)) == [200] + [400] * 7
        # Another user may have a client of the same name.
        queues.listen(client, queue, user="bob")


def test_one_of_several_parallel_unlistens_succeeds(queues, queue):
    client = joined(queues, queue)
    answers = together(6, lambda _: queues.ask("POST", "/unlisten/" + client).status)
    assert sorted(answers) == [200] + [404] * 5


# ---------------------------------------------------------------- reading


def test_one_post_answers_the_waiting_readers_of_all_responders(queues, queue):
    clients = [joined(queues, queue) for _ in range(8)]
    waiting = [queues.begin_read(client, "?wait=30") for client in clients]
    assert not [read for read in waiting if read.is_answered]
    started = time.monotonic()
    queues.send(queue, "here")
    assert [read_messages(read.answer()) for read in waiting] == [[(1, "here")]] * len(clients)
    assert time.monotonic() - started < 5
    assert [queues.texts(client) for client in clients] == [[]] * len(clients)


def test_a_wait_ends_when_its_time_is_over(queues, queue):
    client = joined(queues, queue)
    started = time.monotonic()
    answer = queues.read(client, "?wait=0.3")
    assert 0.3 <= time.monotonic() - started < 5
    assert answer.json()["messages"] == [] and answer.json()["current_message"] == 0


def test_a_wait_ends_with_404_after_unlisten_and_with_410_after_a_loss(queues, queue):
    doomed, told = joined(queues, queue), joined(queues, queue)
    waiting = [queues.begin_read(client, "?wait=30") for client in (doomed, told)]
    queues.ask("POST", "/unlisten/" + doomed)
    error(waiting[0].answer(), 404)
    assert not waiting[1].is_answered
    assert queues.post(queue, b"x" * 20001).status == 413
    error(waiting[1].answer(), 410, refresh=True)


def test_one_of_several_readers_that_wait_as_one_client_gets_the_message(queues, queue):
    client = joined(queues, queue)
    waiting = [queues.begin_read(client, "?wait=30") for _ in range(4)]
    queues.send(queue, "x")
    queues.come_to_rest()
    (answered,) = [read for read in waiting if read.is_answered]
    assert read_messages(answered.answer()) == [(1, "x")]
    # The others still wait: they are answered when the client is removed.
    waiting.remove(answered)
    queues.ask("POST", "/unlisten/" + client)
    for read in waiting:
        error(read.answer(), 404)


def test_a_limit_returns_the_messages_in_order_in_pages(queues, queue):
    client = joined(queues, queue)
    queues.send(queue, *map(str, range(10)))
    pages = []
    for _ in range(5):
        answer = queues.read(client, "?limit=3")
        assert answer.json()["current_message"] == 10
        pages.append([text for _, text in read_messages(answer)])
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6", "7", "8"], ["9"], []]


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=", "wait=61", "wait=-1", "wait=nan", "ack=yes", "ack="])
def test_a_query_with_a_wrong_value_is_400_and_moves_no_cursor(queues, query):
    queue = NAMES[0]
    client = joined(queues, queue)
    queues.send(queue, "stays")
    error(queues.read(client, "?" + query), 400)
    assert queues.texts(client) == ["stays"]


def test_head_changes_nothing_and_get_reads_like_post(queues, queue):
    client = joined(queues, queue)
    queues.send(queue, "a")
    for path in ("/read/" + client, "/unlisten/" + client, "/listen/new/" + queue, "/ack/%s/1" % client, "/q/" + queue, "/reload"):
        assert queues.ask("HEAD", path).status == 405, path
    error(queues.read("new"), 404)
    assert [queues.ask("HEAD", path).status for path in ("/queues", "/time")] == [200, 200]
    answer = queues.ask("GET", "/read/" + client)
    assert read_messages(answer) == [(1, "a")]
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"


# ---------------------------------------------------------------- acknowledging


def test_messages_are_returned_again_until_they_are_acknowledged(queues, queue):
    client = joined(queues, queue)
    queues.send(queue, "a", "b", "c")
    everything = [(1, "a"), (2, "b"), (3, "c")]
    for _ in range(2):
        assert read_messages(queues.read(client, "?ack=manual")) == everything
    assert read_messages(queues.read(client, "?ack=manual&limit=2")) == everything[:2]
    answer = queues.acknowledge(client, 2)
    assert (answer.status, answer.body) == (200, b"")
    assert read_messages(queues.read(client, "?ack=manual&wait=30")) == everything[2:]
    # A lower number changes nothing.
    assert queues.acknowledge(client, 1).status == 200
    assert read_messages(queues.read(client)) == everything[2:]
    assert read_messages(queues.read(client, "?ack=manual")) == []


def test_a_reader_with_manual_acknowledgement_can_wait(queues, queue):
    client = joined(queues, queue)
    waiting = queues.begin_read(client, "?ack=manual&wait=30")
    assert not waiting.is_answered
    queues.send(queue, "x")
    assert read_messages(waiting.answer()) == [(1, "x")]
    assert queues.texts(client, "?ack=manual") == ["x"]


def test_a_loss_is_reported_until_it_is_acknowledged(queues, queue):
    client = joined(queues, queue)
    queues.send(queue, "before")
    assert queues.post(queue, b"x" * 20001).status == 413
    for query in ("?ack=manual", "?ack=manual&wait=30"):
        answer = queues.read(client, query)
        error(answer, 410, refresh=True)
        assert answer.json()["current_message"] == 2
    queues.send(queue, "after")
    assert queues.read(client, "?ack=manual").json()["current_message"] == 3
    assert queues.acknowledge(client, 2).status == 200
    assert read_messages(queues.read(client, "?ack=manual")) == [(3, "after")]


def test_only_ids_of_existing_messages_can_be_acknowledged(queues, queue):
    client = joined(queues, queue)
    queues.send(queue, "a")
    for number in ("2", "18446744073709551615", "99999999999999999999", "-1", "x", "1.0", "%20"):
        error(queues.acknowledge(client, number), 400)
    assert queues.acknowledge(client, 0).status == 200
    error(queues.acknowledge("nobody", 1), 404)
    error(queues.acknowledge(client, 1, user="bob"), 404)
    assert queues.ask("GET", "/ack/%s/1" % client).status == 405
    assert queues.texts(client) == ["a"]


# ---------------------------------------------------------------- the overview


def test_the_overview_shows_the_size_of_queues_and_the_cursors_of_clients(serve_queues):
    config = configuration([roomy("b"), roomy("a"), "empty"])
    config["users"].append(plain_user("carol", ["a", "nonesuch"]))
    service = serve_queues(config)
    for client in ("one", "two", "three"):
        service.listen(client, "b")
    service.listen("idle", "a")
    service.send("b", "1", "22", "\u00e9\u00e9")
    service.read("one", "?limit=2")
    # Ages are whole seconds.
    wait_for(lambda: service.overview()["queues"][1]["oldest_age_seconds"] >= 1)
    service.read("two")
    overview = service.overview()
    assert overview["time"] == service.call("GET", "/time").text
    assert [queue["name"] for queue in overview["queues"]] == ["a", "b", "empty"]
    b = overview["queues"][1]
    assert (b["current_message"], b["depth"], b["bytes"]) == (3, 3, 7)
    assert b["oldest_age_seconds"] >= 1 and b["oldest_age_seconds"] >= b["newest_age_seconds"] >= 0
    assert overview["queues"][0] == {
        "name": "a", "current_message": 0, "depth": 0, "bytes": 0, "oldest_age_seconds": None, "newest_age_seconds": None,
        "max_message_count": 10**9, "max_message_size": 20000, "max_queue_size": 10**12, "signed": False,
    }
    clients = {client["name"]: client for client in overview["clients"]}
    assert clients["one"].pop("lag_seconds") >= 1
    assert clients["one"] == {"name": "one", "queue": "b", "connected": True, "cursor": 2, "lag": 1, "lost": False}
    assert [clients[name]["lag"] for name in ("two", "three", "idle")] == [0, 3, 0]
    assert [clients[name]["lag_seconds"] for name in ("two", "idle")] == [None, None]
    assert overview["next"] is None
    # Another user sees its own queues and clients.
    assert service.overview(user="carol")["queues"] == [overview["queues"][0]]
    assert service.overview(user="carol")["clients"] == []
    error(service.call("GET", "/queues"), 401)

    config["queues"] = config["queues"][1:]
    service.load(config)
    gone = {client["name"]: client for client in service.overview()["clients"]}["one"]
    assert (gone["queue"], gone["connected"], gone["lag"]) == (None, False, None)


def test_a_client_that_has_lost_messages_is_shown_as_such(serve_queues):
    service = serve_queues(configuration([{"name": "small", "max_message_count": 2}]))
    service.listen("reader", "small")
    service.send("small", "a", "b", "c")
    (client,) = service.overview()["clients"]
    assert client["lost"] and client["lag_seconds"] is not None
    error(service.read("reader"), 410, refresh=True)
    (client,) = service.overview()["clients"]
    assert not client["lost"] and client["lag_seconds"] is None


# ---------------------------------------------------------------- looking


def test_looking_at_messages_moves_no_cursor(queues, queue):
    client = joined(queues, queue)
    bodies = [b"text", bytes(range(256)), b"\xc3\xa4" * 5000]
    for body in bodies:
        assert queues.post(queue, body).status == 200
    peek = queues.ask("GET", "/queues/%s/messages" % queue).json()
    assert [(message["id"], message["bytes"], message["truncated"]) for message in peek["messages"]] == [
        (3, 10000, True), (2, 256, False), (1, 4, False)]
    assert peek["messages"][0]["message"] == "\u00e4" * 2048 and "messageBase64" not in peek["messages"][0]
    assert base64.b64decode(peek["messages"][1]["messageBase64"]) == bodies[1]
    assert (peek["current_message"], peek["depth"], peek["next"]) == (3, 3, None)
    for number, body in enumerate(bodies, 1):
        answer = queues.ask("GET", "/queues/%s/messages/%d" % (queue, number))
        assert answer.body == body and answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == 'attachment; filename="message-%d"' % number
    assert [number for number, _ in read_messages(queues.read(client))] == [1, 2, 3]


def test_a_peek_goes_on_before_a_message(queues, queue):
    queues.send(queue, *map(str, range(1, 8)))
    found, query = [], "?limit=3"
    while query:
        peek = queues.ask("GET", "/queues/%s/messages%s" % (queue, query)).json()
        found.append([message["message"] for message in peek["messages"]])
        query = peek["next"] and "?limit=3&before=%d" % peek["next"]
    assert found == [["7", "6", "5"], ["4", "3", "2"], ["1"]]


def test_a_long_message_is_had_in_whole(serve_queues):
    service = serve_queues(configuration([roomy("long", max_message_size=8 << 20)]), MAX_MESSAGE_BYTES="8m")
    body = random.Random(1).randbytes(5 << 20)
    assert service.post("long", body).status == 200
    answer = service.ask("GET", "/queues/long/messages/1")
    assert answer.body == body and answer.headers["content-length"] == str(len(body))
    head = service.ask("HEAD", "/queues/long/messages/1")
    assert head.status == 200 and head.body == b""


@pytest.mark.parametrize("path, status", [
    ("messages?limit=0", 400), ("messages?limit=101", 400), ("messages?limit=x", 400), ("messages?before=0", 400),
    ("messages?before=", 400), ("messages/0", 400), ("messages/x", 400), ("messages/999999", 404), ("message", 404),
    ("messages/1/body", 404),
])  # fmt: skip
def test_a_wrong_look_is_refused_with_its_reason(queues, path, status):
    answer = queues.ask("GET", "/queues/%s/%s" % (NAMES[0], path))
    if path in ("message", "messages/1/body"):
        assert answer.status == 404
    else:
        assert error(answer, status)


def test_whoever_may_not_read_a_queue_does_not_see_its_messages(serve_queues):
    service = serve_queues(configuration([roomy("mine")], users=["alice"]) | {
        "users": [plain_user("alice", ["mine"]), plain_user("bob", [])]})  # fmt: skip
    service.send("mine", "private")
    for path in ("/queues/mine/messages", "/queues/mine/messages/1"):
        assert "private" in service.ask("GET", path).text
        assert error(service.ask("GET", path, user="bob"), 404) == "There is no such queue, or this user may not read it."
        error(service.call("GET", path), 401)
        error(service.ask("GET", path, secret="wrong"), 403)
        assert service.ask("POST", path).status == 405


def test_the_overview_has_pages(queues, queue):
    names = {"page%d" % number for number in range(25)}
    for name in names:
        queues.listen(name, queue, user="bob")
    expected = {client["name"] for client in queues.overview(user="bob")["clients"]}
    assert names <= expected
    found, query = [], "?limit=7"
    for _ in range(100):
        page = queues.overview(query, user="bob")
        assert len(page["clients"]) <= 7
        found += [client["name"] for client in page["clients"]]
        if page["next"] is None:
            break
        query = "?limit=7&after=" + page["next"]
    assert sorted(found) == sorted(expected)
    for query in ("?limit=0", "?limit=1001", "?limit=x", "?after=x", "?after=0", "?after=zz"):
        error(queues.ask("GET", "/queues" + query), 400)
