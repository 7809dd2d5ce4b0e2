"""Queues with many readers: who is given what, and what stays when everything else goes."""

import base64
import itertools
import json
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from certificates import certificate
from harness import exchange, postroom, together, wait_for
from queue_service import (
    QueueReaders,
    QueueSenders,
    QueueService,
    configuration,
    error,
    plain_user,
    read_messages,
    roomy,
)

NAMES = ["queue%d" % number for number in range(40)]


@pytest.fixture(scope="module")
def queues(tmp_path_factory):
    """One service for all tests of this file that need no settings of their own; each takes queues of its own."""
    service = QueueService(
        tmp_path_factory.mktemp("queues"), configuration([roomy(name) for name in NAMES]), RESPONDERS=4
    ).start()
    service.unused = iter(NAMES)
    yield service
    service.stop()


@pytest.fixture
def queue(queues):
    return next(queues.unused)


_clients = ("client%d" % number for number in itertools.count())


def joined(service, queue, **options):
    return service.listen(next(_clients), queue, **options)


# ---------------------------------------------------------------- many at once


@pytest.mark.parametrize("readers", [2, 8])
def test_parallel_readers_of_one_client_are_handed_each_message_once(queues, queue, readers):
    client = joined(queues, queue)
    lone = joined(queues, queue)
    with QueueReaders(queues, [client]) as one:
        # More threads that read as the same client.
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


def test_parallel_listens_of_one_name_have_one_winner(queues, queue):
    other = next(queues.unused)
    for turn in range(20):
        client = "contested%d" % turn

        def listen(index):
            return queues.ask("POST", "/listen/%s/%s" % (client, (queue, other)[index % 2])).status

        assert sorted(together(8, listen)) == [200] + [400] * 7
        # Another user's client of the same name is another client.
        queues.listen(client, queue, user="bob")


def test_parallel_unlistens_have_one_winner(queues, queue):
    client = joined(queues, queue)
    answers = together(6, lambda _: queues.ask("POST", "/unlisten/" + client).status)
    assert sorted(answers) == [200] + [404] * 5


# ---------------------------------------------------------------- reading


def test_waiting_readers_of_all_responders_are_woken_by_one_post(queues, queue):
    clients = [joined(queues, queue) for _ in range(8)]
    with ThreadPoolExecutor(len(clients)) as pool:
        waiting = [pool.submit(queues.read, client, "?wait=30") for client in clients]
        time.sleep(0.5)
        assert not any(w.done() for w in waiting)
        started = time.monotonic()
        queues.send(queue, "here")
        assert [read_messages(w.result(10)) for w in waiting] == [[(1, "here")]] * len(clients)
        assert time.monotonic() - started < 5
    assert [queues.texts(client) for client in clients] == [[]] * len(clients)


def test_waiting_ends_when_its_time_is_up(queues, queue):
    client = joined(queues, queue)
    started = time.monotonic()
    answer = queues.read(client, "?wait=1.2")
    assert 1.1 < time.monotonic() - started < 5
    assert answer.json()["messages"] == [] and answer.json()["current_message"] == 0


def test_waiting_ends_with_what_befalls_the_client(queues, queue):
    doomed, told = joined(queues, queue), joined(queues, queue)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(queues.read, client, "?wait=30") for client in (doomed, told)]
        time.sleep(0.3)
        queues.ask("POST", "/unlisten/" + doomed)
        error(waiting[0].result(10), 404)
        assert queues.post(queue, b"x" * 20001).status == 413
        error(waiting[1].result(10), 410, refresh=True)


def test_of_two_that_wait_as_one_client_one_is_given_the_message(queues, queue):
    client = joined(queues, queue)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(queues.read, client, "?wait=2") for _ in range(4)]
        time.sleep(0.3)
        queues.send(queue, "x")
        assert sorted(read_messages(w.result(10)) for w in waiting) == [[], [], [], [(1, "x")]]


def test_a_limit_pages_through_in_order_and_loses_nothing(queues, queue):
    client = joined(queues, queue)
    queues.send(queue, *map(str, range(10)))
    pages = []
    for _ in range(5):
        answer = queues.read(client, "?limit=3")
        assert answer.json()["current_message"] == 10
        pages.append([text for _, text in read_messages(answer)])
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6", "7", "8"], ["9"], []]


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=", "wait=61", "wait=-1", "wait=nan", "ack=yes", "ack="])
def test_a_query_that_makes_no_sense_is_400_and_moves_nothing(queues, query):
    queue = NAMES[0]
    client = joined(queues, queue)
    queues.send(queue, "stays")
    error(queues.read(client, "?" + query), 400)
    assert queues.texts(client) == ["stays"]


def test_head_changes_nothing_and_get_reads_as_post_does(queues, queue):
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


def test_messages_are_handed_out_again_until_they_are_acknowledged(queues, queue):
    client = joined(queues, queue)
    queues.send(queue, "a", "b", "c")
    everything = [(1, "a"), (2, "b"), (3, "c")]
    for _ in range(2):
        assert read_messages(queues.read(client, "?ack=manual")) == everything
    assert read_messages(queues.read(client, "?ack=manual&limit=2")) == everything[:2]
    answer = queues.acknowledge(client, 2)
    assert (answer.status, answer.body) == (200, b"")
    assert read_messages(queues.read(client, "?ack=manual&wait=30")) == everything[2:]
    # Nothing is taken back.
    assert queues.acknowledge(client, 1).status == 200
    assert read_messages(queues.read(client)) == everything[2:]
    assert read_messages(queues.read(client, "?ack=manual")) == []


def test_an_acknowledging_reader_is_woken_too(queues, queue):
    client = joined(queues, queue)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(queues.read, client, "?ack=manual&wait=30")
        time.sleep(0.3)
        queues.send(queue, "x")
        assert read_messages(waiting.result(10)) == [(1, "x")]
    assert queues.texts(client, "?ack=manual") == ["x"]


def test_a_loss_is_told_until_it_is_acknowledged(queues, queue):
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


def test_only_ids_that_were_given_out_can_be_acknowledged(queues, queue):
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


def test_the_overview_says_how_full_queues_are_and_how_far_readers(serve_queues):
    config = configuration([roomy("b"), roomy("a"), "empty"])
    config["users"].append(plain_user("carol", ["a", "nonesuch"]))
    service = serve_queues(config)
    for client in ("one", "two", "three"):
        service.listen(client, "b")
    service.listen("idle", "a")
    service.send("b", "1", "22", "\u00e9\u00e9")
    service.read("one", "?limit=2")
    time.sleep(1.1)
    service.read("two")
    overview = service.overview()
    assert overview["time"] == service.call("GET", "/time").text
    assert [queue["name"] for queue in overview["queues"]] == ["a", "b", "empty"]
    b = overview["queues"][1]
    assert (b["current_message"], b["depth"], b["bytes"]) == (3, 3, 7) and 1 <= b["oldest_age_seconds"] < 30
    assert overview["queues"][0] == {"name": "a", "current_message": 0, "depth": 0, "bytes": 0, "oldest_age_seconds": None}
    clients = {client["name"]: client for client in overview["clients"]}
    assert clients["one"] == {"name": "one", "queue": "b", "connected": True, "cursor": 2, "lag": 1}
    assert [clients[name]["lag"] for name in ("two", "three", "idle")] == [0, 3, 0]
    assert overview["next"] is None
    # Others see what is theirs.
    assert service.overview(user="carol")["queues"] == [overview["queues"][0]]
    assert service.overview(user="carol")["clients"] == []
    error(service.call("GET", "/queues"), 401)

    config["queues"] = config["queues"][1:]
    service.load(config)
    gone = {client["name"]: client for client in service.overview()["clients"]}["one"]
    assert (gone["queue"], gone["connected"], gone["lag"]) == (None, False, None)


def test_the_overview_comes_in_pages(queues, queue):
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


# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize("body", [b"\xff\x00\xfe", bytes(range(256)), b"caf\xe9", b"\xed\xa0\x80", b"\xf0\x9f\x98"])
def test_bodies_that_are_no_text_come_back_byte_for_byte(queues, body):
    queue = NAMES[0]
    client = joined(queues, queue)
    assert queues.post(queue, body).status == 200
    (message,) = queues.read(client).json()["messages"]
    assert base64.b64decode(message["messageBase64"]) == body
    assert message["message"] == body.decode("utf-8", "replace")


@pytest.mark.parametrize("text", ["", "\u00e9\U0001f600", "\ufeffx\0\x7f\x1b\r\n", '"\\/', "a;b"])
def test_text_has_no_second_form(queues, text):
    queue = NAMES[0]
    client = joined(queues, queue)
    assert queues.post(queue, text.encode()).status == 200
    (message,) = queues.read(client).json()["messages"]
    assert set(message) == {"id", "message"} and message["message"] == text


def signed(name):
    return {"name": name, "auth": {"method": "hmac-sha256", "key": "k", "header_name": "X-Signature"}}


def test_the_largest_messages_and_those_that_are_a_byte_too_long(serve_queues):
    service = serve_queues(configuration([roomy("large"), signed("signed")], max_message_size=2000000), RESPONDERS=3)
    service.listen("reader", "large")
    body = os.urandom(1000000).hex()
    service.send("large", body, body[::-1])
    assert service.texts("reader") == [body, body[::-1]]
    assert "2000000" in error(service.post("large", body + "x"), 413)
    error(service.read("reader"), 410, refresh=True)
    service.send("large", "next")
    assert read_messages(service.read("reader")) == [(4, "next")]
    # Nobody learns of what may be anybody's.
    service.listen("other", "signed")
    error(service.post("signed", body + "x", {"X-Signature": "0" * 64}), 403)
    assert service.texts("other") == []


def test_what_is_longer_than_any_message_is_told_to_readers(serve_queues, tmp_path):
    cert, key = certificate(str(tmp_path))
    large = tmp_path / "large"
    large.write_bytes(b"x" * 3000000)
    service = serve_queues(
        configuration(["open", signed("signed"), {"name": "closed", "whitelist_ip": ["192.0.2.1"]}]),
        MAX_MESSAGE_BYTES=100000,
        TLS_CERTIFICATE=cert,
        TLS_CERTIFICATE_KEY=key,
    )

    def curl(path, *arguments):
        result = subprocess.run(
            ["curl", "-s", "--cacert", cert, "-w", "\n%{http_code} %{content_type}", *arguments]
            + ["https://127.0.0.1:%d%s" % (service.port, path)],
            capture_output=True,
            timeout=60,
        )
        body, _, status = result.stdout.decode().rpartition("\n")
        status, _, kind = status.partition(" ")
        return int(status), kind, json.loads(body) if kind.startswith("application/json") else body

    login = ["-u", "alice:alice-secret"]
    for queue in ("open", "signed", "closed"):
        assert curl("/listen/of-%s/%s" % (queue, queue), *login, "-d", "")[0] == 200
    ways = [
        ["--http1.1", "--data-binary", "@%s" % large],
        ["--http1.1", "--data-binary", "@%s" % large, "-H", "Expect:"],
        ["--http1.1", "-H", "Transfer-Encoding: chunked", "--data-binary", "@%s" % large],
        ["--http2", "--data-binary", "@%s" % large],
        ["--http2", "-T", "-", "-X", "POST"],
    ]
    for number, way in enumerate(ways, 1):
        with open(large, "rb") as body:
            result = subprocess.run(
                ["curl", "-s", "--cacert", cert, "-w", "\n%{http_code}", *way, "https://127.0.0.1:%d/q/open" % service.port],
                stdin=body, capture_output=True, timeout=60,
            )  # fmt: skip
        text, _, status = result.stdout.decode().rpartition("\n")
        assert status == "413" and json.loads(text)["refresh"] is False, (way, result.stdout[:300], result.stderr)
        status, _, told = curl("/read/of-open", *login)
        assert (status, told["refresh"]) == (410, True), (way, told)
        status, _, after = curl("/read/of-open", *login)
        assert (status, after["messages"], after["current_message"]) == (200, [], number)
        for arguments, expected in (([], 403), (["-H", "X-Signature: " + "0" * 64], 413)):
            status, kind, told = curl("/q/signed", "-H", "Content-Type: text/plain", *arguments, "--data-binary", "@%s" % large)
            assert (status, told["refresh"]) == (expected, False), told
        assert curl("/q/closed", "--data-binary", "@%s" % large)[0] == 403
        for client in ("of-signed", "of-closed"):
            status, _, after = curl("/read/" + client, *login)
            assert (status, after["messages"], after["current_message"]) == (200, [], 0)
        # A queue that is not there tells nothing, as for a short message.
        assert curl("/q/nonesuch", "--data-binary", "@%s" % large)[0] == 200


# ---------------------------------------------------------------- restarts


def test_a_restart_keeps_queues_ids_clients_cursors_and_the_time(serve_queues):
    service = serve_queues(configuration([roomy("a"), "small"], max_message_count=3))
    for client in ("reader", "behind", "manual"):
        service.listen(client, "a")
    service.listen("lost", "small")
    service.send("a", "1", "2")
    assert service.texts("reader") == ["1", "2"]
    service.acknowledge("manual", 1)
    service.send("small", *"abcd")

    def standing():
        overview = service.overview()
        for queue in overview["queues"]:
            del queue["oldest_age_seconds"]
        return overview

    before = standing()
    for stop in (service.stop, service.kill_all):
        stop()
        time.sleep(1.1)
        service.start()
        assert standing() == before and before["time"] == service.call("GET", "/time").text
        error(service.ask("POST", "/listen/reader/a"), 400)
    service.send("a", "3")
    assert read_messages(service.read("reader")) == [(3, "3")]
    assert read_messages(service.read("behind")) == [(1, "1"), (2, "2"), (3, "3")]
    assert read_messages(service.read("manual", "?ack=manual")) == [(2, "2"), (3, "3")]
    error(service.read("lost"), 410, refresh=True)
    service.check()


def test_the_time_is_that_of_the_store(serve_queues, tmp_path):
    earliest = int(time.time())
    service = serve_queues(configuration(["a"]))
    started = service.call("GET", "/time")
    assert started.headers["content-type"].startswith("text/plain") and started.headers["cache-control"] == "no-store"
    assert earliest <= int(started.text) <= time.time()
    service.listen("reader", "a")
    service.send("a", "1")
    service.load(configuration(["a", "b"]))
    service.stop()
    result = postroom(service.directory, "store", "compact")
    assert result.returncode == 0, result.stderr
    time.sleep(1.1)
    service.start()
    assert service.call("GET", "/time").text == started.text
    assert read_messages(service.read("reader")) == [(1, "1")]
    service.stop()
    for name in os.listdir(service.directory):
        if name.startswith("store.") or name == "secret.key":
            os.remove(os.path.join(service.directory, name))
    service.start()
    # A new store: whoever compares the times knows that messages are lost.
    assert int(service.call("GET", "/time").text) > int(started.text)
    error(service.read("reader"), 404)


# ---------------------------------------------------------------- addresses


def guarded(*addresses):
    return configuration([{"name": "guarded", "whitelist_ip": list(addresses)}])


def posts_from(service, forwarded):
    """Whether the queue takes a message with this header."""
    status = service.post("guarded", "x", {} if forwarded is None else {"X-Forwarded-For": forwarded}).status
    assert status in (200, 403)
    return status == 200


def test_a_trusted_proxy_names_the_address_that_is_looked_for(serve_queues):
    service = serve_queues(
        guarded("10.1.0.0/16", "203.0.113.7", "2001:db8:1::/48"), TRUSTED_PROXIES="127.0.0.1,10.200.0.0/24"
    )
    taken = ["10.1.0.0", "10.1.255.255", "203.0.113.7", "2001:db8:1::1", "2001:DB8:1:ffff::", "198.51.100.1, 10.1.2.3"]
    taken += ["10.1.2.3, 10.200.0.9"]
    assert [forwarded for forwarded in taken if not posts_from(service, forwarded)] == []
    refused = [None, "10.2.0.0", "203.0.113.8", "2001:db8:2::1", "10.1.2.3, 198.51.100.1", "10.1.2.3, 10.200.1.9"]
    refused += ["nonsense", "10.1.2", "", "10.1.2.3, nonsense"]
    assert [forwarded for forwarded in refused if posts_from(service, forwarded)] == []
    for name in ("X-Real-IP", "Forwarded", "Client-IP", "REMOTE_ADDR", "X-Forwarded-Host", "True-Client-IP"):
        assert service.post("guarded", "x", {name: "10.1.2.3"}).status == 403, name


def test_nobody_else_is_believed(serve_queues):
    service = serve_queues(guarded("10.1.0.0/16"), TRUSTED_PROXIES="192.0.2.1")
    assert not posts_from(service, "10.1.2.3")
    service.load(guarded("127.0.0.0/8"))
    assert posts_from(service, "10.1.2.3") and posts_from(service, None)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="there is no ::1 here")
def test_addresses_of_ipv6_are_compared_as_addresses(serve_queues):
    service = serve_queues(guarded("::1"), APP_HOST="::1")
    for addresses, expected in (
        (["::1"], True),
        (["0:0:0:0:0:0:0:1"], True),
        (["::/64"], True),
        (["fe80::/10", "::1/128"], True),
        (["::2"], False),
        (["127.0.0.1", "0.0.0.0/0"], False),
        (["2001:db8::/32"], False),
    ):
        service.load(guarded(*addresses))
        assert posts_from(service, None) is expected, addresses


# ---------------------------------------------------------------- paths


def test_a_path_that_nginx_reads_otherwise_opens_no_way_around_limits(serve_queues):
    """Each API has a body limit of its own, by what nginx makes of the path; the request goes by what was sent."""
    service = serve_queues(configuration([roomy("q")], max_message_size=50000), MAX_BODY_BYTES=1000, MAX_MESSAGE_BYTES=100000)
    endpoint = service.create()
    service.configure(endpoint, enabled=True, subpaths=True)
    for path in ("/webhook/%s/../../q/q" % endpoint, "/webhook/%s/%%2e%%2e/%%2e%%2e/q/q" % endpoint, "//webhook/%s/../../q/q" % endpoint):
        request = "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n" % path
        answer = exchange(service, request.encode() + b"x" * 5000)
        assert answer.split()[1] in (b"400", b"404", b"413"), (path, answer[:100])
    assert service.bodies(endpoint) == []
    assert service.post("q", b"x" * 5000).status == 200
